//! Sockets that enter rooms and leave them all the time, beside the readers who stay. What reaches
//! them while they are in a room is no delivery.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{task::spawn_local, time::sleep};

use super::{
    Plan,
    beat::Beat,
    crowd::gather,
    socket::{Outcome, Reader, Writer, connect},
    talk::{Room, read_ack},
};
use crate::sample::Sample;

/// Rooms entered in a second; as many are left.
const ENTERED: f64 = 200.0;
/// How long the last acknowledgements may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The sockets, which take turns.
pub(super) struct Churn {
    members: Vec<Member>,
    going: Cell<bool>,
    asked: Cell<u64>,
    acknowledged: Cell<u64>,
    problems: RefCell<Vec<String>>,
}

struct Member {
    writer: Rc<Writer>,
    room: Room,
}

impl Churn {
    /// Connects so many sockets, spread over the rooms, and sets them going.
    pub(super) async fn begin(plan: &Plan, rooms: &[Room], count: usize) -> Outcome<Rc<Self>> {
        let at = plan.at.clone();
        let sockets = gather(count, move |_| {
            let at = Rc::clone(&at);
            async move { connect(&at).await }
        })
        .await?;
        let members = sockets.iter().zip(rooms.iter().cycle());
        let members = members.map(|(socket, room)| Member {
            writer: Rc::clone(&socket.writer),
            room: room.clone(),
        });
        let churn = Rc::new(Self {
            members: members.collect(),
            going: Cell::new(true),
            asked: Cell::new(0),
            acknowledged: Cell::new(0),
            problems: RefCell::default(),
        });
        for socket in sockets {
            spawn_local(Rc::clone(&churn).hear(socket));
        }
        spawn_local(Rc::clone(&churn).keep_on());
        Ok(churn)
    }

    /// In turn each socket enters its room, then in turn each leaves it.
    async fn keep_on(self: Rc<Self>) {
        let mut beat = Beat::new(2.0 * ENTERED);
        while !self.members.is_empty() {
            for enters in [true, false] {
                for member in &self.members {
                    beat.next().await;
                    if !self.going.get() {
                        return;
                    }
                    let number = self.asked.replace(self.asked.get() + 1);
                    let frame = member.room.moves(number, enters);
                    member.writer.write(&frame);
                }
            }
        }
    }

    /// One of the sockets: acknowledgements come.
    async fn hear(self: Rc<Self>, mut socket: Reader) {
        let problem = loop {
            let read = socket.read(|packet| {
                if read_ack(packet).is_some() {
                    self.acknowledged.set(self.acknowledged.get() + 1);
                } else if packet.starts_with(b"43") {
                    let words = String::from_utf8_lossy(packet).into_owned();
                    self.problems.borrow_mut().push(words);
                }
            });
            if let Err(problem) = read.await {
                break problem;
            }
        };
        let words = format!("who comes and goes: {problem}");
        self.problems.borrow_mut().push(words);
    }

    /// Stops, and notes what was not acknowledged.
    pub(super) async fn end(&self, sample: &mut Sample) {
        self.going.set(false);
        let since = Instant::now();
        while self.acknowledged.get() < self.asked.get() && since.elapsed() < PATIENCE {
            sleep(Duration::from_millis(10)).await;
        }
        sample.unacknowledged += self.asked.get() - self.acknowledged.get();
        sample
            .problems
            .extend(self.problems.borrow().iter().take(5).cloned());
    }
}
