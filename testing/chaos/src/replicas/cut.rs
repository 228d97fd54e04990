//! The network between one gateway and the database: a TCP proxy that passes, resets, or holds what goes in one direction or both.
//!
//! What is held is passed later, as TCP sends again what was lost. So a request can reach the database long after the gateway has
//! stopped waiting for its answer.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Passes,
    /// Every connection is closed at once.
    Resets,
    /// Nothing reaches the database.
    HoldsRequests,
    /// Nothing reaches the gateway.
    HoldsAnswers,
    HoldsAll,
}

impl Link {
    /// How it is said in a report.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Passes => "passed",
            Self::Resets => "reset",
            Self::HoldsRequests => "held towards the database",
            Self::HoldsAnswers => "held towards the gateway",
            Self::HoldsAll => "held both ways",
        }
    }

    fn holds(self, way: Way) -> bool {
        match self {
            Self::Passes | Self::Resets => false,
            Self::HoldsRequests => way == Way::ToDatabase,
            Self::HoldsAnswers => way == Way::ToGateway,
            Self::HoldsAll => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToDatabase,
    ToGateway,
}

/// The proxy. It listens until it is dropped.
pub(crate) struct Cut {
    /// Where the gateway connects.
    pub(crate) port: u16,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    link: Link,
    /// Grows when every connection is closed. A connection ends when it has changed.
    resets: u64,
}

impl Cut {
    /// A proxy to the database on this port.
    pub(crate) async fn start(database: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (changes, state) = watch::channel(State {
            link: Link::Passes,
            resets: 0,
        });
        tokio::spawn(async move {
            let mut ended = state.clone();
            let accept = async {
                while let Ok((gateway, _)) = listener.accept().await {
                    tokio::spawn(connect(gateway, database, state.clone()));
                }
            };
            tokio::select! {
                () = accept => {}
                _ = ended.wait_for(|_| false) => {}
            }
        });
        Ok(Self {
            port,
            state: changes,
        })
    }

    /// Changes the network from now on.
    pub(crate) fn set(&self, link: Link) {
        self.state.send_modify(|state| {
            state.link = link;
            state.resets += u64::from(link == Link::Resets);
        });
    }
}

async fn connect(gateway: TcpStream, database: u16, mut state: watch::Receiver<State>) {
    let State { link, resets } = *state.borrow();
    if link == Link::Resets {
        return;
    }
    let Ok(database) = TcpStream::connect(("127.0.0.1", database)).await else {
        return;
    };
    let _no_delay = (gateway.set_nodelay(true), database.set_nodelay(true));
    let (from_gateway, to_gateway) = gateway.into_split();
    let (from_database, to_database) = database.into_split();
    let (up, down) = (state.clone(), state.clone());
    tokio::select! {
        () = pass(from_gateway, to_database, Way::ToDatabase, up) => {}
        () = pass(from_database, to_gateway, Way::ToGateway, down) => {}
        _ = state.wait_for(|state| state.resets != resets) => {}
    }
}

/// Ends when one side has closed. Then both are closed.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state
            .wait_for(|state| !state.link.holds(way))
            .await
            .is_err()
        {
            return;
        }
        let bytes = bytes.get(..count).unwrap_or_default();
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    // A side that has closed is not seen by the other one either, while the network holds.
    let _ended = state.wait_for(|state| !state.link.holds(way)).await;
}
