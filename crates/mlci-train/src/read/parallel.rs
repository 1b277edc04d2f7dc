use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

/// Works on parts with as many threads as there are processors, and takes their results in the order of the parts.
///
/// `next` and `take` are called by this thread alone. At most two parts a thread are on their way at a time. After an
/// error nothing more is asked for; of several errors that of the first part counts, as if there were one thread.
pub(super) fn in_order<P: Send, T: Send, E: Send>(
    mut next: impl FnMut() -> Result<Option<P>, E>,
    work: impl Fn(P) -> Result<T, E> + Sync,
    mut take: impl FnMut(T),
) -> Result<(), E> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let Some(first) = next()? else { return Ok(()) };
    let Some(second) = next()? else {
        take(work(first)?);
        return Ok(());
    };
    thread::scope(|scope| {
        let (to_workers, parts) = mpsc::sync_channel::<(usize, P)>(2 * threads);
        let (to_us, results) = mpsc::channel();
        let parts = Arc::new(Mutex::new(parts));
        let work = &work;
        for _ in 0..threads {
            let (parts, to_us) = (Arc::clone(&parts), to_us.clone());
            scope.spawn(move || {
                loop {
                    let part = parts.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, part)) = part else { return };
                    if to_us.send((number, work(part))).is_err() {
                        return;
                    }
                }
            });
        }
        // Held by the workers alone, so that what we send and wait for ends with them.
        drop((parts, to_us));

        let mut order = Order { waiting: BTreeMap::new(), expected: 0 };
        let mut sent = 0;
        let mut ahead = [first, second].into_iter();
        let mut end = Ok(());
        loop {
            let part = match ahead.next() {
                Some(part) => Ok(Some(part)),
                None => next(),
            };
            match part {
                Ok(Some(part)) => {
                    // Only a worker that panicked is not there any more; the scope passes that on.
                    if to_workers.send((sent, part)).is_err() {
                        break;
                    }
                    sent += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    end = Err(error);
                    break;
                }
            }
            while let Ok((number, result)) = results.try_recv() {
                order.put(number, result, &mut take)?;
            }
        }
        drop(to_workers);
        for (number, result) in results {
            order.put(number, result, &mut take)?;
        }
        end
    })
}

/// Results that came before their turn.
struct Order<T, E> {
    waiting: BTreeMap<usize, Result<T, E>>,
    expected: usize,
}

impl<T, E> Order<T, E> {
    fn put(&mut self, number: usize, result: Result<T, E>, take: &mut impl FnMut(T)) -> Result<(), E> {
        self.waiting.insert(number, result);
        while let Some(result) = self.waiting.remove(&self.expected) {
            self.expected += 1;
            take(result?);
        }
        Ok(())
    }
}
