//! How many of something there are at once, in all and from one place: Engine.IO connections, uploads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::metrics::Refused;

/// The seats of one listener, or for one use.
#[derive(Debug)]
pub(crate) struct Seats {
    max: usize,
    max_per_ip: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    // SipHash: addresses come from outside.
    by_place: HashMap<IpAddr, usize>,
}

/// One connection's or upload's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    place: Option<IpAddr>,
}

impl Seats {
    pub(crate) fn new(max: usize, max_per_ip: usize) -> Self {
        Self {
            max,
            max_per_ip,
            taken: Mutex::default(),
        }
    }

    /// Takes a seat for a client at `ip`.
    ///
    /// # Errors
    /// Which limit is reached.
    pub(crate) fn take(self: &Arc<Self>, ip: IpAddr) -> Result<Seat, Refused> {
        let mut taken = self.taken.lock();
        if taken.all >= self.max {
            return Err(Refused::Overload);
        }
        let place = place_of(ip);
        if let Some(place) = place {
            match taken.by_place.entry(place) {
                Entry::Occupied(entry) if *entry.get() >= self.max_per_ip => {
                    return Err(Refused::PerIp);
                }
                Entry::Vacant(_) if self.max_per_ip == 0 => return Err(Refused::PerIp),
                entry => *entry.or_default() += 1,
            }
        }
        taken.all += 1;
        Ok(Seat {
            seats: Arc::clone(self),
            place,
        })
    }
}

impl Seat {
    /// Whether it is one of those for clients at `ip`.
    pub(crate) fn is_at(&self, ip: IpAddr) -> bool {
        self.place == place_of(ip)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        taken.all -= 1;
        if let Some(Entry::Occupied(mut entry)) =
            self.place.map(|place| taken.by_place.entry(place))
        {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Whom an address is counted with: itself, or the /64 that one subscriber usually has. Loopback is not counted: it is
/// this machine's own tests and tools, or a proxy that the operator did not name.
pub(crate) fn place_of(ip: IpAddr) -> Option<IpAddr> {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(ip.into()),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_full_before_the_house_is() {
        let seats = Arc::new(Seats::new(4, 2));
        let first = seats.take(ip("192.0.2.1")).unwrap();
        let _second = seats.take(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(seats.take(ip("192.0.2.1")).unwrap_err(), Refused::PerIp);
        let _other = seats.take(ip("192.0.2.2")).unwrap();
        drop(first);
        let _again = seats.take(ip("192.0.2.1")).unwrap();
        let _last = seats.take(ip("192.0.2.3")).unwrap();
        assert_eq!(seats.take(ip("192.0.2.4")).unwrap_err(), Refused::Overload);
    }

    #[test]
    fn a_network_of_version_6_is_one_place_and_loopback_is_none() {
        let seats = Arc::new(Seats::new(100, 1));
        let _first = seats.take(ip("2001:db8::1")).unwrap();
        assert_eq!(
            seats.take(ip("2001:db8::ffff:2")).unwrap_err(),
            Refused::PerIp
        );
        let _next = seats.take(ip("2001:db8:0:1::1")).unwrap();
        let _local: Vec<Seat> = (0..10)
            .map(|_| seats.take(ip("127.0.0.1")).unwrap())
            .collect();
    }

    #[test]
    fn nothing_is_kept_about_those_who_left() {
        let seats = Arc::new(Seats::new(100, 10));
        for last in 0..100 {
            drop(seats.take(ip(&format!("192.0.2.{last}"))).unwrap());
        }
        let taken = seats.taken.lock();
        assert_eq!((taken.all, taken.by_place.len()), (0, 0));
    }
}
