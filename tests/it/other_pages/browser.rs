//! A page of another origin, in a real browser, against the admin listener.

use std::net::SocketAddr;

use serde_json::Value;

use super::{TITLE, is_untouched, without_token};
use crate::driver::Browser;
use crate::receiver::{Play, Receiver};

/// A name that does not belong to the listener but resolves to this machine.
const EVIL: &str = "evil.example";

/// All requests that a page can send to another origin: fetches, a form, a frame.
const ATTACK: &str = r#"
const [target, done] = arguments;
const act = async (path, how) => {
  try { return (await fetch(target + path, { method: 'POST', ...how })).type; }
  catch { return 'refused'; }
};
const loaded = element => new Promise(ok => { element.onload = ok; element.onerror = ok; });
const frame = (name, url) => {
  const frame = document.createElement('iframe');
  frame.name = name;
  if (url) frame.src = url;
  document.body.append(frame);
  return loaded(frame);
};
(async () => {
  const json = { headers: { 'content-type': 'application/json' }, body: '{"all":true}' };
  const text = { mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body: '{"all":true}' };
  const pause = '/api/v1/sinks/webhook/oncall/pause';
  const seen = {};
  try { seen.read = await (await fetch(target + '/api/v1/alerts')).text(); }
  catch { seen.read = 'refused'; }
  seen.json = await act('/api/v1/dead/drop', json);
  seen.text = await act('/api/v1/dead/drop', text);
  seen.bare = await act(pause, { mode: 'no-cors' });
  await frame('page', target + '/api/v1/alerts');
  frame('answer');
  const form = document.createElement('form');
  Object.assign(form, { method: 'POST', action: target + pause, target: 'answer', enctype: 'text/plain' });
  document.body.append(form);
  const sent = loaded(document.getElementsByName('answer')[0]);
  form.submit();
  await sent;
  done(seen);
})();
"#;

/// A server that allows all origins and answers each request with the alert.
fn open_to_all() -> Play {
    let headers = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "*"),
        ("content-type", "application/json"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Play::Answer(200, headers.into(), format!("{{\"title\":\"{TITLE}\"}}"))
}

fn html() -> Play {
    let kind = ("content-type".to_owned(), "text/html".to_owned());
    Play::Answer(200, vec![kind], "<body>another page</body>".to_owned())
}

/// What the page could read, and what its frame shows.
async fn attack(browser: &Browser, from: &str, target: SocketAddr) -> (Value, String) {
    browser.open(from).await;
    let seen = browser.run(ATTACK, &format!("http://{target}")).await;
    (seen, browser.text(Some(0)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_can_neither_read_nor_act() {
    let page = Receiver::start([html()]).await;
    let open = Receiver::start([open_to_all()]).await;
    let gateway = without_token(|_| ()).await;
    let browser = Browser::start(EVIL).await;
    // A page of another site, and a page of another port of this machine, which has the same site for a browser.
    let port = page.address().port();
    for from in [format!("http://{EVIL}:{port}/"), page.url("/")] {
        let (seen, framed) = attack(&browser, &from, gateway.admin).await;
        assert_eq!(seen["read"], "refused", "{from}");
        assert_eq!(seen["json"], "refused", "{from}");
        assert!(!framed.contains(TITLE), "{from}: {framed}");
        assert!(is_untouched(&gateway).await, "{from}: {seen}");
    }
    // Control: the same page can read from and write to an open server. So the listener caused the refusals above.
    let (seen, framed) = attack(&browser, &page.url("/"), open.address()).await;
    assert!(seen["read"].as_str().unwrap().contains(TITLE), "{seen}");
    assert_eq!(
        (&seen["json"], &seen["text"]),
        (&"cors".into(), &"opaque".into())
    );
    assert!(framed.contains(TITLE), "{framed}");
    let got = open.got();
    let count = |end: &str| {
        let posts = got.iter().filter(|got| got.method == "POST");
        posts.filter(|got| got.target.ends_with(end)).count()
    };
    assert_eq!((count("/dead/drop"), count("/pause")), (2, 2));
}

/// DNS rebinding: the name of the page resolves to the listener, so the browser treats it as the same origin.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_rebound_to_the_listener_reads_nothing() {
    let open = Receiver::start([open_to_all()]).await;
    let gateway = without_token(|_| ()).await;
    let browser = Browser::start(EVIL).await;
    let at = |port: u16| format!("http://{EVIL}:{port}/api/v1/alerts");
    browser.open(&at(open.address().port())).await;
    assert!(browser.text(None).await.contains(TITLE));
    browser.open(&at(gateway.admin.port())).await;
    let text = browser.text(None).await;
    assert!(
        text.contains("wrong_host") && !text.contains(TITLE),
        "{text}"
    );
    // The same from a script in that page.
    let script = "const done = arguments[1]; fetch('/api/v1/sinks/webhook/oncall/pause', \
        { method: 'POST' }).then(answer => done(answer.status));";
    assert_eq!(browser.run(script, "").await, 403);
    assert!(is_untouched(&gateway).await);
}
