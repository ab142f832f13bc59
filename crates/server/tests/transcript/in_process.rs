//! A client without a transport: it drives the hub's end of a connection by hand.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex},
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

use server::{
    core::Core,
    hub::Door,
    listen::{Accept, Close, Driver, Handle, Message, Outgoing, Peer},
};

use super::player::{Connection, Heard};

/// Wakes the thread that drives the connection.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    ringing: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap() = true;
        self.ringing.notify_one();
    }
}

impl Bell {
    /// Sleeps until it rings; false when it has not until `deadline`.
    fn wait(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let quiet = |rung: &mut bool| !*rung;
        let rung = self.rung.lock().unwrap();
        let (mut rung, _) = self.ringing.wait_timeout_while(rung, left, quiet).unwrap();
        std::mem::take(&mut *rung)
    }
}

struct InProcess {
    /// `None` once it is closed.
    driver: Option<Box<dyn Driver>>,
    bell: Arc<Bell>,
    runtime: tokio::runtime::Handle,
    heard: VecDeque<String>,
}

pub(super) fn open(
    core: &Core,
    runtime: &tokio::runtime::Handle,
    query: &str,
) -> Result<Box<dyn Connection>, String> {
    let _inside = runtime.enter();
    let bell = Arc::new(Bell::default());
    let handle = Handle::detached(Waker::from(Arc::clone(&bell)));
    let peer = Peer {
        raw_query: format!("EIO=4&transport=websocket{query}").into(),
        ..Peer::local()
    };
    let driver = Door(Arc::clone(&core.hub))
        .open(peer, handle)
        .map_err(|refusal| format!("the handshake was refused: {refusal:?}"))?;
    Ok(Box::new(InProcess {
        driver: Some(driver),
        bell,
        runtime: runtime.clone(),
        heard: VecDeque::new(),
    }))
}

impl InProcess {
    /// Takes what the server has to say by now.
    fn listen(&mut self) {
        let _inside = self.runtime.enter();
        while let Some(driver) = &mut self.driver {
            let mut out = Outgoing::new(64 << 10);
            let polled = driver.poll_output(Instant::now(), &mut out);
            for chunk in out.chunks() {
                for frame in wire::frame::frames(chunk) {
                    let text = String::from_utf8(frame.payload().to_vec()).unwrap();
                    self.heard.extend(text.strip_prefix('4').map(str::to_owned));
                }
            }
            match polled {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(reason)) => self.end(reason),
                Poll::Pending => return,
            }
        }
    }

    fn end(&mut self, reason: Close) {
        let _inside = self.runtime.enter();
        if let Some(mut driver) = self.driver.take() {
            driver.closed(reason);
        }
    }
}

impl InProcess {
    fn deliver(&mut self, message: Message) -> Result<(), String> {
        const PATIENCE: Duration = Duration::from_secs(15);
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.listen();
            let _inside = self.runtime.enter();
            let driver = self.driver.as_mut().ok_or("the connection was closed")?;
            if driver.wants_input() {
                let received = driver.receive(message, Instant::now());
                if let Err(reason) = received {
                    self.end(reason);
                }
                return Ok(());
            }
            if !self.bell.wait(deadline) {
                return Err("the server does not read".to_owned());
            }
        }
    }
}

impl Connection for InProcess {
    fn send(&mut self, text: &str) -> Result<(), String> {
        self.deliver(Message::Text(text.to_owned()))
    }

    fn attach(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.deliver(Message::Binary(bytes.to_vec().into()))
    }

    fn receive(&mut self, deadline: Instant) -> Result<Heard, String> {
        loop {
            self.listen();
            if let Some(text) = self.heard.pop_front() {
                return Ok(Heard::Text(text));
            }
            if self.driver.is_none() {
                return Ok(Heard::Closed);
            }
            if !self.bell.wait(deadline) {
                return Err("nothing came".to_owned());
            }
        }
    }

    fn close(&mut self) {
        self.end(Close::ClientClosed);
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.close();
    }
}
