//! A small real HTTP server with scripted responses. It records the requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// One request as received.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The request line and the headers, as received.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

impl Asked {
    /// The first line.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The value of a header; none if it was not sent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A server that sends each of its responses once, in order.
pub(crate) struct Peer {
    /// The address of the server.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    connections: JoinHandle<usize>,
}

impl Peer {
    /// Starts a server on a free port. It ends when all `answers` are sent.
    pub(crate) fn answering(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let over = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&over);
        let answers: Vec<(u16, String)> = answers
            .iter()
            .map(|(code, body)| (*code, (*body).to_owned()))
            .collect();
        let connections = thread::spawn(move || {
            let mut left = answers.into_iter();
            let mut connections = 0;
            while left.len() > 0 {
                let (stream, _) = listener.accept().unwrap();
                if done.load(Ordering::SeqCst) {
                    break;
                }
                connections += 1;
                serve(&stream, &mut left, &notes);
            }
            connections
        });
        Self {
            url,
            asked,
            over,
            connections,
        }
    }

    /// The requests, and the number of connections. Must be called after the program has ended.
    pub(crate) fn asked(self) -> (Vec<Asked>, usize) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes a server that still waits for a connection. If it has ended, this does nothing.
        let _woken = TcpStream::connect(self.url.trim_start_matches("http://"));
        let connections = self.connections.join().unwrap();
        (self.asked.lock().unwrap().clone(), connections)
    }
}

fn serve(
    mut stream: &TcpStream,
    answers: &mut impl ExactSizeIterator<Item = (u16, String)>,
    notes: &Mutex<Vec<Asked>>,
) {
    let mut reader = BufReader::new(stream);
    while answers.len() > 0 {
        let Some(asked) = read(&mut reader) else {
            return;
        };
        notes.lock().unwrap().push(asked);
        let (code, body) = answers.next().unwrap();
        let length = body.len();
        let answer = format!("HTTP/1.1 {code} Scripted\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// Reads one request; none if the connection is closed.
fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut asked = Asked {
        head,
        body: String::new(),
    };
    let length = asked
        .header("content-length")
        .map_or(0, |l| l.parse().unwrap());
    reader.take(length).read_to_string(&mut asked.body).unwrap();
    Some(asked)
}

/// A port without a listener.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
