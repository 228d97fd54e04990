//! One kept-alive HTTP/1.1 connection, with as little overhead as possible.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server without an answer for this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is opened on demand, and opened again after the server has closed it.
pub(crate) struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
    answer: Vec<u8>,
    filled: usize,
}

impl Wire {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            answer: vec![0; 16 * 1024],
            filled: 0,
        }
    }

    /// Sends a request and reads the whole answer. Returns its status.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        stream.write_all(request)?;
        let (status, stays) = self.read(&mut stream)?;
        if stays {
            self.stream = Some(stream);
        }
        Ok(status)
    }

    /// The body of the last answer, and any bytes after it.
    pub(crate) fn body(&self) -> String {
        let answer = String::from_utf8_lossy(self.answer.get(..self.filled).unwrap_or_default());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        body.unwrap_or_default().to_owned()
    }

    /// Reads until the answer is complete. Returns its status, and whether the connection stays open.
    fn read(&mut self, stream: &mut TcpStream) -> io::Result<(u16, bool)> {
        self.filled = 0;
        let mut head = None;
        loop {
            if self.filled == self.answer.len() {
                self.answer.resize(self.filled * 2, 0);
            }
            let room = self.answer.get_mut(self.filled..).unwrap_or_default();
            let read = stream.read(room)?;
            self.filled += read;
            let answer = self.answer.get(..self.filled).unwrap_or_default();
            if head.is_none() {
                head = Head::read(answer)?;
            }
            match &head {
                Some(head) if head.is_whole(answer) => return Ok((head.status, head.stays)),
                Some(head) if read == 0 && head.body == Body::UntilClose => {
                    return Ok((head.status, false));
                }
                _ if read == 0 => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }
}

/// Sends one request on its own connection. Returns the status and the body of the answer.
pub(crate) fn once(address: SocketAddr, request: &str) -> io::Result<(u16, String)> {
    let mut wire = Wire::new(address);
    let status = wire.exchange(request.as_bytes())?;
    Ok((status, wire.body()))
}

/// `GET path`.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    once(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: */*\r\n\r\n"),
    )
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What the head of an answer says about the rest.
struct Head {
    status: u16,
    bytes: usize,
    body: Body,
    stays: bool,
}

#[derive(PartialEq)]
enum Body {
    Bytes(usize),
    Chunks,
    UntilClose,
}

impl Head {
    /// Parses the head, when it is complete.
    fn read(answer: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(answer).map_err(io::Error::other)?;
        let httparse::Status::Complete(bytes) = parsed else {
            return Ok(None);
        };
        let value = |name: &str| {
            let header = response
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            header.map(|header| String::from_utf8_lossy(header.value).to_ascii_lowercase())
        };
        let status = response.code.unwrap_or(0);
        let body = match value("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => Body::Bytes(length),
            None if value("transfer-encoding").is_some() => Body::Chunks,
            None if status == 204 => Body::Bytes(0),
            None => Body::UntilClose,
        };
        let stays = response.version == Some(1) && value("connection").is_none_or(|c| c != "close");
        Ok(Some(Self {
            status,
            bytes,
            stays: stays && body != Body::UntilClose,
            body,
        }))
    }

    fn is_whole(&self, answer: &[u8]) -> bool {
        let body = answer.get(self.bytes..).unwrap_or_default();
        match self.body {
            Body::Bytes(length) => body.len() >= length,
            // These servers send no trailers, and JSON does not end like this.
            Body::Chunks => body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n"),
            Body::UntilClose => false,
        }
    }
}
