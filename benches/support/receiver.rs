//! A fast local sink: accepts every alert with 200 and records its id and time of arrival.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::messages::ID_BYTES;

/// A vendor's id, as it is written in a body.
pub(crate) type IdText = [u8; ID_BYTES];

/// One arrival: the id of the vendor's message, and the time of its last byte.
pub(crate) type Arrivals = Arc<Mutex<Vec<(IdText, Instant)>>>;

/// A listening sink. It serves until the program ends.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    arrivals: Arrivals,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let arrivals = Arrivals::default();
        let into = Arc::clone(&arrivals);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let into = Arc::clone(&into);
                // A sender that disconnects ends only its own connection.
                std::thread::spawn(move || serve(stream, &into));
            }
        });
        Self { address, arrivals }
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Returns the arrivals so far and clears them.
    pub(crate) fn take(&self) -> Vec<(IdText, Instant)> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(IdText, Instant)>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(mut stream: TcpStream, arrivals: &Arrivals) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let request = buffer.get(..filled).unwrap_or_default();
        let Some(whole) = whole(request) else {
            continue;
        };
        let now = Instant::now();
        let id = message_id(request);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((id, now));
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// The length of the first request in bytes, when it is complete.
fn whole(bytes: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = request.parse(bytes) else {
        return None;
    };
    let length = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .parse::<usize>()
                .ok()
        })
        .unwrap_or(0);
    (bytes.len() >= head + length).then_some(head + length)
}

/// The vendor's id in an alert; zeros for any other body.
fn message_id(request: &[u8]) -> IdText {
    const NAME: &[u8] = b"\"message_id\":\"";
    let at = request.windows(NAME.len()).position(|word| word == NAME);
    at.and_then(|at| request.get(at + NAME.len()..)?.first_chunk())
        .copied()
        .unwrap_or([0; ID_BYTES])
}
