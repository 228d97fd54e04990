//! A database that cannot be used: what is said, and that it names the fix.

use std::sync::Arc;

use campanile_receiver::pool::Pool;
use campanile_store::Store;
use campanile_store::postgres::Postgres;

use super::Database;
use super::server::url;
use super::suite::{Place, accepted, firing};

async fn refusal(url: &str) -> String {
    Postgres::open(url).await.err().unwrap().to_string()
}

#[tokio::test]
async fn an_error_names_the_server_and_the_fix_and_never_the_password() {
    let database = Database::new();
    let url = database.url();
    let (base, name) = url.split_once('?').unwrap().0.rsplit_once('/').unwrap();
    for (url, reason, fix) in [
        (
            url.replace("secret", "hunter2"),
            "password authentication failed",
            "Check the user and the password",
        ),
        (
            format!("{base}/missing?sslmode=disable"),
            "does not exist",
            "CREATE DATABASE",
        ),
        (
            "postgres://campanile:hunter2@127.0.0.1:1/a?sslmode=disable".to_owned(),
            "onnection refused",
            "Check that the server runs",
        ),
        (
            format!("{base}/{name}?sslmode=require"),
            "",
            "Check that the server runs",
        ),
    ] {
        let said = refusal(&url).await;
        assert!(said.contains(reason) && said.contains(fix), "{said}");
        assert!(said.contains("postgres://127.0.0.1:"), "{said}");
        assert!(
            !said.contains("hunter2") && !said.contains("secret"),
            "{said}"
        );
    }
    assert!(
        refusal("postgres://x:hunter2@[::/a")
            .await
            .contains("[store] url is not a PostgreSQL URL")
    );
}

#[tokio::test]
async fn a_pool_is_used_in_session_mode_and_refused_in_the_others() {
    let database = Database::new();
    let folder = tempfile::tempdir().unwrap();
    let start = async |mode| {
        let user = ("campanile", "secret");
        Pool::start(folder.path(), database.port(), mode, user).await
    };
    for mode in ["transaction", "statement"] {
        let pool = start(mode).await;
        let said = refusal(&url(pool.port, database.name())).await;
        assert!(said.contains("pool_mode = session"), "{mode}: {said}");
    }
    let pool = start("session").await;
    let store = Postgres::open(&url(pool.port, database.name())).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    accepted(&store, firing("m", 1, &[])).await;
}

#[tokio::test]
async fn a_database_that_others_own_is_refused_and_left_as_it_is() {
    let database = Database::new();
    database.sql("REVOKE ALL ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO postgres");
    let said = refusal(&database.url()).await;
    assert!(said.contains("must own the database"), "{said}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_or_does_not_sync_is_refused() {
    let database = Database::new();
    database.sql(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    ));
    let said = refusal(&database.url()).await;
    assert!(said.contains("takes no writes"), "{said}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_before_anything_is_written() {
    let database = Database::new();
    let store = database.open().await;
    store.append(firing("m", 1, &[])).await.unwrap();
    store.close().await.unwrap();
    database.sql("UPDATE meta SET level = 99, oldest = 98");
    let written = "SELECT last_value FROM change";
    let before = database.sql(written);
    let said = refusal(&database.url()).await;
    assert!(
        said.contains("newer Campanile: a gateway needs level 98"),
        "{said}"
    );
    assert_eq!(database.sql(written), before);
}
