use std::{
    collections::VecDeque,
    convert::Infallible,
    panic::resume_unwind,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::order::Order;

/// Works on parts with as many threads as there are processors, and takes their results in the order of the parts.
///
/// `next` and `take` are called by one thread at a time. At most two results a thread wait for their turn. After an
/// error nothing more is asked for; of several errors that of the first part counts, as if there were one thread.
pub(crate) fn in_order<P: Send, T: Send, E: Send>(
    next: impl FnMut() -> Result<Option<P>, E> + Send,
    work: impl Fn(P) -> Result<T, E> + Sync,
    mut take: impl FnMut(T) + Send,
) -> Result<(), E> {
    in_order_then(next, work, |result, _: &mut Vec<Infallible>| take(result), |never| match never {})
}

/// As [`in_order`], where `take` may leave work that has no order: `then` does it, on any thread, and all of it before
/// this returns without an error.
///
/// Each thread does nearly all there is to do about a part, so that its bytes stay in the caches of one processor; while
/// another one reads the next part, it does what was left.
pub(crate) fn in_order_then<P: Send, T: Send, J: Send, E: Send>(
    mut next: impl FnMut() -> Result<Option<P>, E> + Send,
    work: impl Fn(P) -> Result<T, E> + Sync,
    mut take: impl FnMut(T, &mut Vec<J>) + Send,
    then: impl Fn(J) + Sync,
) -> Result<(), E> {
    let Some(first) = next()? else { return Ok(()) };
    let Some(second) = next()? else {
        let mut rest = Vec::new();
        take(work(first)?, &mut rest);
        rest.into_iter().for_each(then);
        return Ok(());
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut ahead = [first, second].into_iter();
    let next = move || ahead.next().map_or_else(&mut next, |part| Ok(Some(part)));
    let line = Line {
        source: Mutex::new(Source { next, handed_out: 0, end: None }),
        results: Mutex::new(Results { order: Order::default(), is_taking: false, failed: None }),
        take: Mutex::new(take),
        turn: Condvar::new(),
        left: Mutex::new(VecDeque::new()),
        stopped: AtomicBool::new(false),
        limit: 2 * threads,
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| line.work(&work, &then))).collect();
        line.work(&work, &then);
        // What a thread says when it panics is said by all.
        others.into_iter().for_each(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
    });
    let failed = line.results.into_inner().unwrap_or_else(PoisonError::into_inner).failed;
    let end = line.source.into_inner().unwrap_or_else(PoisonError::into_inner).end;
    failed.map_or(end.unwrap_or(Ok(())), Err)
}

/// What the threads share.
struct Line<N, T, K, J, E> {
    source: Mutex<Source<N, E>>,
    results: Mutex<Results<T, E>>,
    take: Mutex<K>,
    /// Told when a result was taken.
    turn: Condvar,
    /// What `take` has left.
    left: Mutex<VecDeque<J>>,
    stopped: AtomicBool,
    /// How many results may wait for one before them, and how much may be left.
    limit: usize,
}

struct Source<N, E> {
    next: N,
    handed_out: usize,
    /// How the parts ended, once they have.
    end: Option<Result<(), E>>,
}

struct Results<T, E> {
    order: Order<Result<T, E>>,
    /// Whether there is a thread that takes whatever has its turn, so that others leave theirs and go on.
    is_taking: bool,
    /// Of the first part that failed.
    failed: Option<E>,
}

impl<N, T, K, J, E> Line<N, T, K, J, E> {
    /// Works until there is nothing left.
    fn work<P>(&self, work: impl Fn(P) -> Result<T, E>, then: impl Fn(J))
    where
        N: FnMut() -> Result<Option<P>, E>,
        K: FnMut(T, &mut Vec<J>),
    {
        let _stop = StopOnPanic(self);
        while let Some((number, part)) = self.part(&then) {
            self.put(number, work(part));
        }
        while let Some(left) = self.left(0) {
            then(left);
        }
    }

    /// What was left first, if more than so much is: what is made of it may have an order.
    fn left(&self, more_than: usize) -> Option<J> {
        let mut left = lock(&self.left);
        if left.len() > more_than && !self.stopped.load(Ordering::Relaxed) { left.pop_front() } else { None }
    }

    /// The next part, once another thread has read the one before it.
    fn part<P>(&self, then: impl Fn(J)) -> Option<(usize, P)>
    where
        N: FnMut() -> Result<Option<P>, E>,
    {
        while let Some(left) = self.left(self.limit) {
            then(left);
        }
        let mut source = loop {
            match self.source.try_lock() {
                Ok(source) => break source,
                Err(_) => match self.left(0) {
                    Some(left) => then(left),
                    None => break lock(&self.source),
                },
            }
        };
        if source.end.is_some() || self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        match (source.next)() {
            Ok(Some(part)) => {
                source.handed_out += 1;
                Some((source.handed_out - 1, part))
            }
            Ok(None) => {
                source.end = Some(Ok(()));
                None
            }
            Err(error) => {
                source.end = Some(Err(error));
                None
            }
        }
    }

    fn put(&self, number: usize, result: Result<T, E>)
    where
        K: FnMut(T, &mut Vec<J>),
    {
        let stopped = || self.stopped.load(Ordering::Relaxed);
        let mut results = lock(&self.results);
        while !results.order.is_turn_of(number) && results.order.waiting() >= self.limit && !stopped() {
            results = self.turn.wait(results).unwrap_or_else(PoisonError::into_inner);
        }
        results.order.insert(number, result);
        if std::mem::replace(&mut results.is_taking, true) {
            return;
        }
        while let Some(result) = results.order.next().filter(|_| !stopped()) {
            drop(results);
            let mut new = Vec::new();
            let taken = result.map(|result| lock(&self.take)(result, &mut new));
            lock(&self.left).extend(new);
            results = lock(&self.results);
            if let Err(error) = taken {
                results.failed = Some(error);
                self.stopped.store(true, Ordering::Relaxed);
            }
            self.turn.notify_all();
        }
        results.is_taking = false;
    }
}

/// Others would wait for ever for the part of a thread that has panicked.
struct StopOnPanic<'l, N, T, K, J, E>(&'l Line<N, T, K, J, E>);

impl<N, T, K, J, E> Drop for StopOnPanic<'_, N, T, K, J, E> {
    fn drop(&mut self) {
        if thread::panicking() {
            // With the lock, so that nobody is between looking and waiting.
            let _results = lock(&self.0.results);
            self.0.stopped.store(true, Ordering::Relaxed);
            self.0.turn.notify_all();
        }
    }
}

/// What panicked with a lock has stopped everything, so that its state is of no interest.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        time::Duration,
    };

    use super::*;

    /// Later parts are done earlier.
    fn slow(number: u32) -> Result<u32, String> {
        thread::sleep(Duration::from_micros(u64::from(200 * (7 - number % 7))));
        Ok(number)
    }

    #[test]
    fn results_come_in_order_and_what_is_left_is_done() {
        for count in [0, 1, 2, 3, 100] {
            let mut parts = 0..count;
            let (mut taken, rest) = (Vec::new(), Mutex::new(Vec::new()));
            let take = |number, left: &mut Vec<u32>| {
                taken.push(number);
                left.push(number);
            };
            in_order_then(|| Ok(parts.next()), slow, take, |number| rest.lock().unwrap().push(number)).unwrap();
            let expected: Vec<u32> = (0..count).collect();
            assert_eq!(taken, expected);
            let mut rest = rest.into_inner().unwrap();
            rest.sort_unstable();
            assert_eq!(rest, expected);
        }
    }

    #[test]
    fn the_first_error_counts_and_ends_everything() {
        let error = |fails: &[u32], end: Option<u32>| {
            let (mut parts, mut taken) = (0.., 0);
            let result = in_order(
                || match parts.next() {
                    number if number == end => Err("the end".to_owned()),
                    number => Ok(number.filter(|number| *number < 1000)),
                },
                |number| if fails.contains(&number) { Err(number.to_string()) } else { slow(number) },
                |_| taken += 1,
            );
            (result, taken)
        };
        for _ in 0..20 {
            assert_eq!(error(&[5, 8, 6], None), (Err("5".to_owned()), 5));
            assert_eq!(error(&[0, 1], Some(2)), (Err("0".to_owned()), 0));
            assert_eq!(error(&[9], Some(7)), (Err("the end".to_owned()), 7));
            assert_eq!(error(&[], Some(0)), (Err("the end".to_owned()), 0));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        for at in [0, 1, 5, 99] {
            for in_take in [false, true] {
                let mut parts = 0..100;
                let panics = |number| assert!(number != at, "part {number}");
                let run = || {
                    in_order(
                        || Ok::<_, String>(parts.next()),
                        |number| {
                            if !in_take {
                                panics(number);
                            }
                            slow(number)
                        },
                        |number| {
                            if in_take {
                                panics(number);
                            }
                        },
                    )
                };
                let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
                assert_eq!(panic.downcast_ref::<String>(), Some(&format!("part {at}")));
            }
        }
    }
}
