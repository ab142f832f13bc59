//! Doing something many times, a few at once: connecting thousands.

use std::{cell::Cell, rc::Rc};

use tokio::task::JoinSet;

use super::socket::Outcome;

/// How many are under way at once.
const AT_ONCE: usize = 64;

/// Carries out `work` for the numbers from 0 to `count`; the outcomes in the order of the numbers.
pub(super) async fn gather<T, F>(
    count: usize,
    work: impl Fn(usize) -> F + Clone + 'static,
) -> Outcome<Vec<T>>
where
    T: 'static,
    F: Future<Output = Outcome<T>> + 'static,
{
    let next = Rc::new(Cell::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE.min(count) {
        let (next, work) = (Rc::clone(&next), work.clone());
        workers.spawn_local(async move {
            let mut done = Vec::new();
            while next.get() < count {
                let number = next.replace(next.get() + 1);
                done.push((number, work(number).await?));
            }
            Ok::<_, String>(done)
        });
    }
    let mut all = Vec::with_capacity(count);
    while let Some(done) = workers.join_next().await {
        all.extend(done.map_err(|error| error.to_string())??);
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, outcome)| outcome).collect())
}
