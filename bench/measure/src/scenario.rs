//! The loads, in the order in which they are put on the servers.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::servers::Server;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
pub(crate) enum Scenario {
    /// 1,000 readers of one conversation, 50,000 deliveries a second.
    Steady1000,
    /// The same with 5,000 readers.
    Steady5000,
    /// 1,000 readers, eight messages under way at any time.
    Saturated1000,
    /// The same with 5,000 readers.
    Saturated5000,
    /// Saturated with 1,000 readers, and one more who takes no byte.
    Frozen1,
    /// The same with 100 more.
    Frozen100,
    /// 1,000 pairs, in each of which one message is under way at any time.
    Pairs,
    /// 100 readers, and 1,000 messages of one writer at once.
    Burst,
    /// One room of a live stream with 25,000 readers, 50,000 deliveries a second; others enter and
    /// leave it all the time.
    Room,
    /// The same with the readers in 50 rooms.
    Rooms,
    /// 10,000 connections that say who they are and then nothing.
    Idle,
}

impl Scenario {
    /// Its name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady1000 => "steady1000",
            Self::Steady5000 => "steady5000",
            Self::Saturated1000 => "saturated1000",
            Self::Saturated5000 => "saturated5000",
            Self::Frozen1 => "frozen1",
            Self::Frozen100 => "frozen100",
            Self::Pairs => "pairs",
            Self::Burst => "burst",
            Self::Room => "room",
            Self::Rooms => "rooms",
            Self::Idle => "idle",
        }
    }

    /// Its title in the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Steady1000 => "1,000 readers of one conversation, 50,000 deliveries a second",
            Self::Steady5000 => "5,000 readers of one conversation, 50,000 deliveries a second",
            Self::Saturated1000 => "1,000 readers of one conversation, saturated",
            Self::Saturated5000 => "5,000 readers of one conversation, saturated",
            Self::Frozen1 => "1,000 readers, saturated, and 1 frozen",
            Self::Frozen100 => "1,000 readers, saturated, and 100 frozen",
            Self::Pairs => "1,000 pairs, saturated",
            Self::Burst => "1,000 messages at once to 100 readers",
            Self::Room => "all readers in one room of a live stream",
            Self::Rooms => "all readers in 50 rooms of live streams",
            Self::Idle => "10,000 idle connections",
        }
    }

    /// Sockets in the conversation that take no bytes, beside its readers.
    pub(crate) fn frozen(self) -> usize {
        match self {
            Self::Frozen1 => 1,
            Self::Frozen100 => 100,
            _ => 0,
        }
    }

    /// Whether it is put on this server in this round. What frozen readers cost, and rooms of live
    /// streams, is asked of Palaver alone. A load by which no goal is set beside a server is put on
    /// it once, for comparison.
    pub(crate) fn includes(self, server: Server, round: u32) -> bool {
        match (server, self) {
            (Server::Palaver, _) => true,
            (_, Self::Frozen1 | Self::Frozen100 | Self::Room | Self::Rooms) => false,
            (Server::Bun | Server::Floor, _) | (_, Self::Burst | Self::Idle) => round == 1,
            (Server::Node | Server::Oxide, _) => true,
        }
    }

    /// Readers of the one conversation, where there is one and their number is given.
    pub(crate) fn readers(self) -> usize {
        match self {
            Self::Steady5000 | Self::Saturated5000 => 5_000,
            _ => 1_000,
        }
    }
}
