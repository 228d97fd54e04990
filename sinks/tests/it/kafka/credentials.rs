//! Credentials, against a broker in code: the mock cluster of librdkafka has no SASL. It answers each request from a script.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Class, assert_no_secret, message, refusal, sink_at};

const SASL_HANDSHAKE: u16 = 17;
const API_VERSIONS: u16 = 18;
const SASL_AUTHENTICATE: u16 = 36;

/// What the broker says about a mechanism and about credentials: error codes, 0 for yes.
#[derive(Clone, Copy)]
struct Answers {
    mechanism: u16,
    credentials: u16,
}

/// A broker that offers PLAIN. Gives its address.
async fn broker(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answers));
        }
    });
    address
}

/// Answers until the client has gone.
async fn serve(mut stream: TcpStream, answers: Answers) -> Option<()> {
    loop {
        let length = stream.read_u32().await.ok()?;
        let mut request = vec![0; length.try_into().ok()?];
        stream.read_exact(&mut request).await.ok()?;
        let key = u16::from_be_bytes(request.get(..2)?.try_into().ok()?);
        let version = u16::from_be_bytes(request.get(2..4)?.try_into().ok()?);
        let mut answer = request.get(4..8)?.to_vec();
        answer.extend(body(key, version, answers));
        stream.write_u32(answer.len().try_into().ok()?).await.ok()?;
        stream.write_all(&answer).await.ok()?;
    }
}

fn body(key: u16, version: u16, answers: Answers) -> Vec<u8> {
    match key {
        // UNSUPPORTED_VERSION: the client asks again in the oldest form.
        API_VERSIONS if version > 0 => [35_u16.to_be_bytes().to_vec(), vec![0; 4]].concat(),
        API_VERSIONS => {
            let known = [
                (3, 0, 1),
                (SASL_HANDSHAKE, 0, 1),
                (API_VERSIONS, 0, 0),
                (SASL_AUTHENTICATE, 0, 0),
            ];
            let mut body = vec![0, 0, 0, 0, 0, 4];
            for (key, least, most) in known {
                body.extend([key, least, most].map(u16::to_be_bytes).concat());
            }
            body
        }
        SASL_HANDSHAKE => {
            let code = answers.mechanism.to_be_bytes();
            [&code[..], &[0, 0, 0, 1, 0, 5], b"PLAIN"].concat()
        }
        // The code, no text, no bytes.
        SASL_AUTHENTICATE => [
            &answers.credentials.to_be_bytes()[..],
            &[0xff, 0xff, 0, 0, 0, 0],
        ]
        .concat(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn credentials_that_the_broker_refuses_are_an_operators_matter_and_are_not_shown() {
    const REJECTED: &str = "rejects the credentials";
    const NOT_OFFERED: &str = "does not offer this mechanism";
    for (sasl, mechanism, credentials, says) in [
        ("plain", 0, 58, REJECTED),
        ("plain", 33, 0, NOT_OFFERED),
        ("scram-sha-512", 0, 0, NOT_OFFERED),
        ("plain", 34, 0, "expects no credentials"),
    ] {
        let address = broker(Answers {
            mechanism,
            credentials,
        })
        .await;
        let more = format!("sasl = '{sasl}'\nuser = 'campanile'\npassword = 'c4nary-wrong'");
        let sink = sink_at(&address, &more);
        let failure = refusal(&sink, &message()).await;
        assert_eq!(failure.class, Class::Operator, "{failure}");
        assert!(failure.reason.contains(says), "{failure}");
        assert_no_secret(&failure.reason);
        assert_no_secret(&sink.render(&message()).unwrap());
        let failure = sink.probe(message().at).unwrap().await.unwrap_err();
        assert!(failure.reason.contains(says), "{failure}");
    }
}
