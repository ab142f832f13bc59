//! Everybody comes back at once: what that costs the store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use server::{
    core::Core,
    stores::sqlite::{Options, Sqlite},
};

use crate::client::{Client, config, core, restart};
use crate::gate::Gate;

/// Readers of one conversation, one writer in it, and the room's id.
async fn gather(core: &Core, many: usize) -> (Vec<Client>, Client, String) {
    let mut readers = Vec::new();
    for _ in 0..many {
        readers.push(Client::connect(core).await);
    }
    // All joins wait for the writer together.
    let joins = readers.into_iter().map(|mut reader| {
        tokio::spawn(async move {
            reader.join(2, 1).await;
            reader
        })
    });
    let readers = all(joins).await;
    let mut writer = Client::connect(core).await;
    let (room, _) = writer.join(1, 2).await;
    (readers, writer, room)
}

async fn all<T>(tasks: impl Iterator<Item = tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut done = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        done.push(task.await.unwrap());
    }
    done
}

/// All come back at once, and each gets what was said meanwhile.
async fn come_back(core: &Arc<Core>, readers: Vec<Client>, said: &'static str) -> Vec<Client> {
    let returns = readers.into_iter().map(|reader| {
        let core = Arc::clone(core);
        tokio::spawn(async move {
            let (mut reader, recovered) = reader.come_back(&core).await;
            assert!(recovered);
            assert_eq!(reader.event("new_message").await["body"], said);
            reader
        })
    });
    all(returns).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_lost_its_lines_reads_nothing_and_one_after_a_restart_reads_together() {
    const CROWD: usize = 1_000;
    let folder = tempfile::tempdir().unwrap();
    let mut core = Arc::new(core(folder.path(), config()).await);
    let (mut readers, mut writer, room) = gather(&core, CROWD).await;
    readers.iter_mut().for_each(Client::cut);
    writer.say(&room, 1, "meanwhile");
    writer.event("new_message").await;
    let before = core.metrics.store_reads.get();
    let mut readers = come_back(&core, readers, "meanwhile").await;
    assert_eq!(core.metrics.store_reads.get(), before, "all is in memory");

    readers.iter_mut().for_each(Client::cut);
    writer.say(&room, 1, "before the restart");
    writer.event("new_message").await;
    writer.cut();
    Arc::into_inner(core).unwrap().stop().await;
    core = Arc::new(restart(folder.path(), config()).await);
    let begun = Instant::now();
    let readers = come_back(&core, readers, "before the restart").await;
    // A group at most every 20 ms, and the message itself once for all.
    let groups = begun.elapsed().as_millis() / 20 + 1;
    let reads = u128::from(core.metrics.store_reads.get());
    assert!(reads <= groups + 1, "{reads} reads for {CROWD} clients");
    assert_eq!(readers.len(), CROWD);
    drop(readers);
    Arc::into_inner(core).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_be_looked_up_is_closed_and_known_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut core = core(folder.path(), config()).await;
    let (mut readers, writer, room) = gather(&core, 3).await;
    readers.iter_mut().for_each(Client::cut);
    drop(writer);
    core.stop().await;
    let store = loop {
        match Sqlite::open(folder.path(), &Options::default()) {
            Ok(store) => break store,
            // The tasks of the connections before end one after the other.
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    let gate = Arc::new(Gate::before(store));
    core = Core::start(
        Arc::clone(&gate) as _,
        config(),
        server::metrics::Metrics::new(),
    )
    .unwrap();
    gate.fail_reads(true);
    let mut closed = Vec::new();
    for reader in &readers {
        let client = Client::open(&core, None);
        let pid = reader.pid.as_deref().unwrap();
        client.send(&format!(r#"40{{"pid":"{pid}"}}"#));
        closed.push(client);
    }
    for mut client in closed {
        let end = tokio::time::timeout(crate::client::DEADLINE, client.output.recv()).await;
        assert!(
            end.expect("an end").is_none(),
            "no CONNECT, no CONNECT_ERROR"
        );
    }
    gate.fail_reads(false);
    for reader in readers {
        let (reader, recovered) = reader.come_back(&core).await;
        assert!(recovered);
        reader.say(&room, 2, "still in the room");
    }
    core.stop().await;
}
