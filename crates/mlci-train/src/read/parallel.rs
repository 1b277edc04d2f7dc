use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

/// Threads that work on jobs, as many as there are processors.
pub(crate) struct Pool<J, R> {
    jobs: mpsc::Sender<J>,
    results: mpsc::Receiver<thread::Result<R>>,
    /// Jobs handed out whose results are not taken yet.
    on_their_way: usize,
    limit: usize,
}

impl<J, R> Pool<J, R> {
    pub(crate) fn submit(&mut self, job: J) {
        // Workers end only when this end of the channel is dropped.
        if self.jobs.send(job).is_ok() {
            self.on_their_way += 1;
        }
    }

    /// Whether there are as many jobs on their way, with `waiting` results that wait for their turn, as keep the threads
    /// busy: more would only take memory.
    pub(crate) fn is_full(&self, waiting: usize) -> bool {
        self.on_their_way + waiting >= self.limit
    }

    /// The next result, in whatever order they come; `None` when there is none to wait for.
    pub(crate) fn take(&mut self) -> Option<R> {
        if self.on_their_way == 0 {
            return None;
        }
        self.results.recv().ok().map(|result| self.taken(result))
    }

    /// As [`Self::take`], if there is one already.
    pub(crate) fn take_ready(&mut self) -> Option<R> {
        self.results.try_recv().ok().map(|result| self.taken(result))
    }

    fn taken(&mut self, result: thread::Result<R>) -> R {
        self.on_their_way -= 1;
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Calls `lead` with a pool of threads that do `work`.
pub(crate) fn with_pool<J: Send, R: Send, T>(
    work: impl Fn(J) -> R + Sync,
    lead: impl FnOnce(&mut Pool<J, R>) -> T,
) -> T {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (to_workers, jobs) = mpsc::channel();
        let (to_us, results) = mpsc::channel();
        let jobs = std::sync::Arc::new(Mutex::new(jobs));
        let work = &work;
        for _ in 0..threads {
            let (jobs, to_us) = (std::sync::Arc::clone(&jobs), to_us.clone());
            scope.spawn(move || {
                loop {
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    // Passed on to who waits for it, who would wait for ever otherwise.
                    let result = catch_unwind(AssertUnwindSafe(|| work(job)));
                    if to_us.send(result).is_err() {
                        return;
                    }
                }
            });
        }
        // Dropped with the pool, which ends the workers.
        lead(&mut Pool { jobs: to_workers, results, on_their_way: 0, limit: 2 * threads })
    })
}

/// Works on parts with as many threads as there are processors, and takes their results in the order of the parts.
///
/// `next` and `take` are called by this thread alone. At most two parts a thread are on their way at a time. After an
/// error nothing more is asked for; of several errors that of the first part counts, as if there were one thread.
pub(crate) fn in_order<P: Send, T: Send, E: Send>(
    mut next: impl FnMut() -> Result<Option<P>, E>,
    work: impl Fn(P) -> Result<T, E> + Sync,
    mut take: impl FnMut(T),
) -> Result<(), E> {
    let Some(first) = next()? else { return Ok(()) };
    let Some(second) = next()? else {
        take(work(first)?);
        return Ok(());
    };
    with_pool(
        |(number, part)| (number, work(part)),
        |pool| {
            let mut order = Order::default();
            let mut ahead = [first, second].into_iter();
            let mut end = Ok(());
            let mut sent = 0;
            loop {
                match ahead.next().map_or_else(&mut next, |part| Ok(Some(part))) {
                    Ok(Some(part)) => pool.submit((sent, part)),
                    Ok(None) => break,
                    Err(error) => {
                        end = Err(error);
                        break;
                    }
                }
                sent += 1;
                while let Some((number, result)) =
                    if pool.is_full(order.waiting()) { pool.take() } else { pool.take_ready() }
                {
                    order.put(number, result, |result| result.map(&mut take))?;
                }
            }
            while let Some((number, result)) = pool.take() {
                order.put(number, result, |result| result.map(&mut take))?;
            }
            end
        },
    )
}

/// Puts what comes in any order back into that of its numbers.
pub(crate) struct Order<T> {
    waiting: BTreeMap<usize, T>,
    expected: usize,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), expected: 0 }
    }
}

impl<T> Order<T> {
    /// How many wait for one before them.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Hands everything to `take` whose turn has come.
    pub(crate) fn put<E>(&mut self, number: usize, item: T, mut take: impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
        self.waiting.insert(number, item);
        while let Some(item) = self.waiting.remove(&self.expected) {
            self.expected += 1;
            take(item)?;
        }
        Ok(())
    }
}
