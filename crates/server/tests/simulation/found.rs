//! What seeds have found, each told as short as it can be.

use std::time::Duration;

use server::hub::HubConfig;

use crate::{
    model::Failure,
    plan::Plan,
    trace::Trace,
    world::{Step, World},
};

/// Runs a story in a world where nothing else goes wrong, then lets everybody go.
fn tell(clients: usize, window: usize, story: impl AsyncFnOnce(&mut World) -> Result<(), String>) {
    tell_in(Plan::calm(clients, window), story);
}

fn tell_in(plan: Plan, story: impl AsyncFnOnce(&mut World) -> Result<(), String>) {
    let trace = Trace::kept();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let told = runtime.block_on(async {
        let rng = fastrand::Rng::with_seed(1);
        let mut world = World::planned(rng, plan, trace.clone());
        world.rest().await?;
        story(&mut world).await?;
        world.rest().await?;
        world.judge(|_| true)?;
        world.everybody_goes().await
    });
    if let Err(complaint) = told {
        panic!("{complaint}\n{}", trace.lines().join("\n"));
    }
}

impl World {
    /// Two people are in their room, which has this id.
    async fn meet(&mut self, one: usize, other: usize) -> Result<String, String> {
        for (one, other) in [(one, other), (other, one)] {
            self.clients[one].join(other, true);
            self.flush(one);
            self.rest().await?;
        }
        let rooms = &self.clients[one].rooms;
        Ok(rooms.first().expect("they have met").clone())
    }

    /// Somebody says something, which begins its way.
    fn say(&mut self, client: usize, room: &str) {
        let body = self.words(client);
        self.clients[client].send(room, body, true);
        self.flush(client);
    }

    /// What a client has sent is read and waits for the writer.
    fn submit(&mut self, client: usize) -> Result<(), String> {
        let line = self.clients[client].line.expect("it is connected");
        self.step(Step::Arrive(line))?;
        self.step(Step::Serve(line))
    }
}

/// Each time, the kept answers were kept once more.
#[test]
fn an_answer_that_is_lost_twice_comes_once() {
    tell(2, 256 << 10, async |world| {
        world.clients[0].join(1, false);
        world.flush(0);
        for _ in 0..3 {
            world.clients[0].is_frozen = true;
            world.rest().await?;
            // The answer to CONNECT arrives, so that the next one says that it was here before.
            world.clients[0].is_frozen = false;
            let line = world.clients[0].line.expect("it is connected");
            world.take_one(line)?;
            world.part(0, true);
        }
        Ok(())
    });
}

/// It was in the store, and in no topic: whoever came back from memory never saw it.
#[test]
fn what_a_commit_of_unknown_outcome_has_stored_is_shown() {
    for how in [Failure::UnknownButStored, Failure::UnknownAndNotStored] {
        tell(3, 256 << 10, async |world| {
            let room = world.meet(0, 1).await?;
            world.disk.fail_next_commit(how);
            world.say(0, &room);
            world.rest().await?;
            world.say(1, &room);
            Ok(())
        });
    }
}

/// The store knew of it, and memory did not.
#[test]
fn a_join_of_unknown_outcome_holds_if_it_is_stored() {
    tell(3, 256 << 10, async |world| {
        let room = world.meet(0, 1).await?;
        world.disk.fail_next_commit(Failure::UnknownButStored);
        world.clients[2].join(0, true);
        world.flush(2);
        world.rest().await?;
        world.say(0, &room);
        Ok(())
    });
}

/// What was left behind the reason to close was dropped, and the topic kept the dead socket.
#[test]
fn a_connection_that_is_closed_lets_go_of_what_it_was_just_attached_to() {
    tell(3, 256 << 10, async |world| {
        let room = world.meet(0, 1).await?;
        world.disk.fail_next_commit(Failure::UnknownAndNotStored);
        world.say(0, &room);
        world.submit(0)?;
        world.step(Step::Write)?;
        world.clients[0].join(2, true);
        world.flush(0);
        world.submit(0)?;
        world.step(Step::Write)?;
        Ok(())
    });
}

/// Its place is before the first number.
#[test]
fn the_first_command_ever_may_be_refused() {
    tell(2, 1, async |world| {
        world.clients[0].is_frozen = true;
        world.disk.fill_up();
        // The network holds one answer, the server another, and the third one must wait.
        for _ in 0..3 {
            world.clients[0].talk_nonsense(false);
            world.flush(0);
            world.submit(0)?;
        }
        world.clients[0].register(true);
        world.flush(0);
        world.rest().await?;
        world.disk.repair();
        world.clients[0].is_frozen = false;
        Ok(())
    });
}

/// It went on with the session all the same: what it joined from then on stayed silent.
#[test]
fn a_session_that_is_let_go_of_on_the_way_to_it_is_looked_up_again() {
    let config = HubConfig {
        recent: Duration::from_secs(20),
        ..HubConfig::default()
    };
    let plan = Plan {
        config,
        ..Plan::calm(3, 256 << 10)
    };
    tell_in(plan, async |world| {
        let first = world.meet(0, 1).await?;
        world.crash();
        world.part(0, false);
        world.step(Step::Connect(0))?;
        while !world.steps().contains(&Step::Read) {
            world.submit(0)?;
            tokio::task::yield_now().await;
        }
        world.step(Step::Read)?;
        // The store has answered, and the connection has its turn only now.
        world.wait(Duration::from_secs(21)).await;
        world.rest().await?;
        world.clients[0].join(2, true);
        world.flush(0);
        world.rest().await?;
        let rooms = world.clients[0].rooms.clone();
        let second = rooms.iter().find(|room| **room != first);
        world.say(0, second.expect("it is in two"));
        Ok(())
    });
}

/// Its answer went to the connection before and to nobody else, and the room's messages came without it.
#[test]
fn a_join_for_a_session_that_was_broken_off_is_answered_to_its_heir() {
    tell(2, 256 << 10, async |world| {
        world.clients[0].register(true);
        world.flush(0);
        world.rest().await?;
        world.disk.fail_next_commit(Failure::UnknownButStored);
        world.clients[0].register(true);
        world.flush(0);
        world.submit(0)?;
        world.step(Step::Write)?;
        world.clients[0].join(1, true);
        world.flush(0);
        world.submit(0)?;
        while world.steps().contains(&Step::Sequence) {
            world.step(Step::Sequence)?;
            tokio::task::yield_now().await;
        }
        world.part(0, true);
        world.step(Step::Connect(0))?;
        while !world.steps().contains(&Step::Read) {
            world.submit(0)?;
            tokio::task::yield_now().await;
        }
        world.step(Step::Read)?;
        world.submit(0)?;
        world.rest().await?;
        world.clients[1].join(0, true);
        world.flush(1);
        world.rest().await?;
        let room = world.clients[1].rooms.first().cloned();
        world.say(1, &room.expect("it is in one"));
        Ok(())
    });
}

/// Only those who listened when the turn began were woken at its end: it came when something else did.
#[test]
fn what_is_read_from_the_log_during_its_own_turn_comes_with_that_turn() {
    tell(2, 256 << 10, async |world| {
        world.clients[0].register(true);
        world.clients[1].join(0, true);
        for client in [0, 1] {
            world.flush(client);
        }
        world.rest().await?;
        world.clients[0].is_active = false;
        world.part(0, false);
        world.crash();
        world.rest().await?;
        let room = world.clients[1].rooms.first().cloned();
        world.say(1, &room.expect("it is in one"));
        world.submit(1)?;
        world.step(Step::Write)?;
        // The turn has begun; its listeners are being marked.
        world.step(Step::Sequence)?;
        world.clients[0].is_active = true;
        world.step(Step::Connect(0))?;
        while !world.steps().contains(&Step::Read) {
            world.submit(0)?;
            tokio::task::yield_now().await;
        }
        world.step(Step::Read)?;
        world.submit(0)
    });
}
