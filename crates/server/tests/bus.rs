//! The promises of `chat::bus::Bus`, one test each, for every engine. An engine joins with one
//! line at `suite!` below.

#![allow(clippy::unwrap_used)]

use std::{
    io::Write,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use chat::{
    AppId, Body, Conversation, ConversationId, ConversationKind, Event, ExternalId, Happening,
    Message, MessageView, SessionId, Timestamp, Topic, User, UserId,
    bus::{Bus, Listener},
    event::Scene,
    model::{Details, Member, MemberRole, Profile},
};
use server::buses::Local;
use uuid::Uuid;

/// A bus and what it has told its listener.
struct Ride {
    bus: Arc<dyn Bus>,
    heard: mpsc::Receiver<(Topic, Arc<Event>)>,
}

impl Ride {
    fn hear(&self) -> (Topic, u64) {
        let heard = self.heard.recv_timeout(Duration::from_secs(10));
        let (topic, event) = heard.expect("an event that was published and is listened to");
        (topic, event.g)
    }

    /// Publishes a last event on a topic that is listened to, and sees that it comes next: so
    /// nothing came before it.
    fn hears_nothing_before(&self, topic: Topic) {
        const LAST: u64 = u64::MAX;
        self.bus.publish(topic, &event(LAST));
        assert_eq!(self.hear(), (topic, LAST));
    }
}

#[expect(clippy::unnecessary_wraps, reason = "other engines may not be there")]
fn local() -> Result<Ride, String> {
    Ok(ride(|listener| Arc::new(Local::new(listener))))
}

fn ride(make: impl FnOnce(Listener) -> Arc<dyn Bus>) -> Ride {
    let (teller, heard) = mpsc::channel();
    let teller = Mutex::new(teller);
    let listener: Listener = Arc::new(move |topic, event: &Arc<Event>| {
        // Who asked may have gone away.
        let _ = teller.lock().unwrap().send((topic, Arc::clone(event)));
    });
    Ride {
        bus: make(listener),
        heard,
    }
}

/// Runs a promise. An engine that is not there is skipped aloud, and in CI fails.
fn run(engine: Result<Ride, String>, promise: fn(&Ride)) {
    match engine {
        Ok(ride) => promise(&ride),
        Err(why) => {
            let in_ci = std::env::var_os("CI").is_some();
            assert!(!in_ci, "CI must run every engine: {why}");
            let mut out = std::io::stderr();
            writeln!(out, "SKIPPED: {why}").unwrap();
        }
    }
}

macro_rules! suite {
    ($($engine:ident),*) => { $(mod $engine {
        suite!(@promises $engine:
            what_is_listened_to_is_heard
            what_nobody_listens_to_goes_nowhere
            the_last_one_to_leave_ends_it
            leaving_what_nobody_listens_to_is_no_fault
            topics_are_apart
            events_of_one_topic_keep_their_order
            a_closed_bus_is_silent
            many_threads_share_it
        );
    })* };
    (@promises $engine:ident: $($promise:ident)*) => { $(
        #[test]
        fn $promise() {
            super::run(super::$engine(), super::$promise);
        }
    )* };
}
suite!(local);

const ROOM: Topic = Topic::Conversation(ConversationId(1));
const OTHER: Topic = Topic::Conversation(ConversationId(2));

fn event(g: u64) -> Arc<Event> {
    let user = Arc::new(User {
        id: UserId(1),
        app: AppId(1),
        uuid: Uuid::nil(),
        number: 1,
        external: ExternalId::text("ann"),
        profile: Profile::default(),
        created_at: Timestamp(0),
        updated_at: None,
        last_active: Timestamp(0),
    });
    let conversation = Arc::new(Conversation {
        id: ConversationId(1),
        app: AppId(1),
        uuid: Uuid::nil(),
        kind: ConversationKind::Direct,
        numbers: None,
        key: None,
        created_at: Timestamp(0),
    });
    let message = Message {
        g,
        conversation: conversation.id,
        seq: 1,
        uuid: Uuid::nil(),
        sender: user.id,
        body: Body::text("hello"),
        created_at: Timestamp(0),
        edited_at: None,
        recipient_online: None,
        origin: Some(SessionId(9)),
        badges: Vec::new(),
        client_id: None,
    };
    let member = Member {
        user: Arc::clone(&user),
        role: MemberRole::Member,
    };
    let scene = Scene {
        conversation: Arc::clone(&conversation),
        details: Arc::new(Details::default()),
        members: Arc::new([member]),
    };
    Arc::new(Event {
        g,
        at: Timestamp(0),
        origin: Some(SessionId(9)),
        scene,
        happening: Happening::MessageSent(Arc::new(MessageView {
            conversation,
            sender: user,
            message,
            quoted: None,
            seen: false,
        })),
    })
}

fn what_is_listened_to_is_heard(ride: &Ride) {
    ride.bus.listen(ROOM);
    ride.bus.publish(ROOM, &event(7));
    let (topic, heard) = ride.heard.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(
        (topic, heard.g, heard.origin),
        (ROOM, 7, Some(SessionId(9)))
    );
    let Happening::MessageSent(view) = &heard.happening else {
        panic!("{:?}", heard.happening)
    };
    assert_eq!(view.message.body.text, "hello");
    assert_eq!(view.sender.external.text, "ann");
}

fn what_nobody_listens_to_goes_nowhere(ride: &Ride) {
    ride.bus.publish(ROOM, &event(1));
    ride.bus.listen(OTHER);
    ride.bus.publish(ROOM, &event(2));
    ride.hears_nothing_before(OTHER);
}

fn the_last_one_to_leave_ends_it(ride: &Ride) {
    ride.bus.listen(OTHER);
    ride.bus.listen(ROOM);
    ride.bus.listen(ROOM);
    ride.bus.leave(ROOM);
    ride.bus.publish(ROOM, &event(1));
    assert_eq!(ride.hear(), (ROOM, 1), "once, for the one who is left");
    ride.bus.leave(ROOM);
    ride.bus.publish(ROOM, &event(2));
    ride.hears_nothing_before(OTHER);
    ride.bus.listen(ROOM);
    ride.bus.publish(ROOM, &event(3));
    assert_eq!(ride.hear(), (ROOM, 3));
}

fn leaving_what_nobody_listens_to_is_no_fault(ride: &Ride) {
    ride.bus.leave(ROOM);
    ride.bus.listen(ROOM);
    ride.bus.publish(ROOM, &event(1));
    assert_eq!(ride.hear(), (ROOM, 1));
}

fn topics_are_apart(ride: &Ride) {
    // A person and a conversation with the same number.
    let person = Topic::Person(UserId(1));
    ride.bus.listen(person);
    ride.bus.publish(ROOM, &event(1));
    ride.hears_nothing_before(person);
}

fn events_of_one_topic_keep_their_order(ride: &Ride) {
    ride.bus.listen(ROOM);
    for g in 1..=1_000 {
        ride.bus.publish(ROOM, &event(g));
    }
    for g in 1..=1_000 {
        assert_eq!(ride.hear(), (ROOM, g));
    }
}

fn a_closed_bus_is_silent(ride: &Ride) {
    ride.bus.listen(ROOM);
    ride.bus.publish(ROOM, &event(1));
    assert_eq!(ride.hear(), (ROOM, 1));
    ride.bus.close();
    ride.bus.publish(ROOM, &event(2));
    ride.bus.listen(OTHER);
    ride.bus.publish(OTHER, &event(3));
    ride.bus.leave(OTHER);
    ride.bus.close();
    assert!(ride.heard.try_recv().is_err(), "silence after closing");
}

fn many_threads_share_it(ride: &Ride) {
    let bus = &*ride.bus;
    bus.listen(ROOM);
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for g in 0..250 {
                    ride_along(bus, thread, g);
                }
            });
        }
    });
    let mut last = [None; 4];
    for _ in 0..1_000 {
        let (topic, g) = ride.hear();
        assert_eq!(topic, ROOM);
        let place = last.get_mut(usize::try_from(g / 1_000).unwrap()).unwrap();
        assert!(*place < Some(g), "each thread's events in its order");
        *place = Some(g);
    }
    ride.hears_nothing_before(ROOM);
}

/// Publishes while listening to and leaving something else.
fn ride_along(bus: &dyn Bus, thread: u64, g: u64) {
    let own = Topic::Person(UserId(1_000 + i64::try_from(thread).unwrap()));
    bus.listen(own);
    bus.publish(ROOM, &event(thread * 1_000 + g));
    bus.leave(own);
    bus.publish(own, &event(0));
}

#[test]
fn a_listener_may_listen_and_leave() {
    let slot: Arc<Mutex<Option<Arc<Local>>>> = Arc::default();
    let in_listener = Arc::clone(&slot);
    let (teller, heard) = mpsc::channel();
    let teller = Mutex::new(teller);
    let bus = Arc::new(Local::new(Arc::new(move |topic, _: &Arc<Event>| {
        let bus = in_listener.lock().unwrap().clone().unwrap();
        bus.listen(OTHER);
        bus.leave(topic);
        teller.lock().unwrap().send(topic).unwrap();
    })));
    *slot.lock().unwrap() = Some(Arc::clone(&bus));
    bus.listen(ROOM);
    bus.publish(ROOM, &event(1));
    bus.publish(ROOM, &event(2));
    bus.publish(OTHER, &event(3));
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [ROOM, OTHER]);
    slot.lock().unwrap().take();
}
