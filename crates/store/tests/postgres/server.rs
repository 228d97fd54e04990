//! One server for the tests that run at the same time. It ends with the last of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use campanile_receiver::postgres::Postgres;
use tokio::sync::{mpsc, oneshot};

static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// Statements to run.
struct Wish {
    database: String,
    statements: String,
    done: oneshot::Sender<String>,
}

/// A running server, with a thread of its own: it outlives the runtime of the test that started it.
pub(crate) struct Server {
    pub(crate) port: u16,
    databases: AtomicU32,
    wishes: Option<mpsc::UnboundedSender<Wish>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The server that runs, or a new one.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *shared = Arc::downgrade(&started);
            started
        })
    }

    fn start() -> Self {
        let (wishes, mut incoming) = mpsc::unbounded_channel::<Wish>();
        let (tell, ports) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let server = start_in(folder.path()).await;
                tell.send(server.port).unwrap();
                while let Some(wish) = incoming.recv().await {
                    let rows = server.sql(&wish.database, &wish.statements).await;
                    let _gone = wish.done.send(rows);
                }
                server.signal("KILL");
            });
        });
        Self {
            port: ports.recv().unwrap(),
            databases: AtomicU32::new(0),
            wishes: Some(wishes),
            thread: Some(thread),
        }
    }

    /// Makes an empty database, and returns its name.
    pub(crate) fn create(&self) -> String {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql(
            "postgres",
            &format!("CREATE DATABASE {name} OWNER campanile"),
        );
        name
    }

    /// Runs statements as the administrator.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> String {
        let (done, ended) = oneshot::channel();
        let wish = Wish {
            database: database.to_owned(),
            statements: statements.to_owned(),
            done,
        };
        self.wishes.as_ref().unwrap().send(wish).ok().unwrap();
        // The caller can be inside a runtime, where blocking is not allowed.
        std::thread::scope(|scope| {
            scope
                .spawn(|| ended.blocking_recv().unwrap())
                .join()
                .unwrap()
        })
    }

    pub(crate) fn url(&self, database: &str) -> String {
        url(self.port, database)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.wishes.take();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// A server of one test, which can crash.
pub(crate) struct Lone {
    server: Postgres,
    _folder: tempfile::TempDir,
}

impl Lone {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start_in(folder.path()).await;
        Self {
            server,
            _folder: folder,
        }
    }

    pub(crate) async fn open(&self) -> Arc<dyn campanile_store::Store> {
        let sql = "CREATE DATABASE lone OWNER campanile";
        self.server.sql("postgres", sql).await;
        let url = url(self.server.port, "lone");
        Arc::new(
            campanile_store::postgres::Postgres::open(&url)
                .await
                .unwrap(),
        )
    }

    pub(crate) async fn crash_and_restart(&mut self) {
        self.server.crash().await;
        self.server.restart().await;
    }
}

pub(crate) async fn start_in(folder: &std::path::Path) -> Postgres {
    let settings = ["fsync=on", "max_connections=200"].map(str::to_owned);
    let server = Postgres::start(folder, &settings).await;
    let role = "CREATE ROLE campanile LOGIN PASSWORD 'secret'";
    server.sql("postgres", role).await;
    server
}

pub(crate) fn url(port: u16, database: &str) -> String {
    format!("postgres://campanile:secret@127.0.0.1:{port}/{database}?sslmode=disable")
}
