//! What the role of stages can do in Postgres, and what it cannot.

use chassis::config::Url;
use chassis::{PostgresConfig, TestServers, Which, connect_postgres, connect_stages, migrate};
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, PgPool};

/// Tables that are only ever added to, by the triggers that say so: before UPDATE, DELETE and
/// TRUNCATE.
const APPEND_ONLY: &str = "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE NOT t.tgisinternal AND t.tgtype & 56 = 56 ORDER BY c.relname";

async fn refusal(pool: &PgPool, statement: &str) -> Option<String> {
    let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await.err()?;
    Some(refused.as_database_error().unwrap().code().unwrap().into_owned())
}

async fn works_as(pool: &PgPool) -> String {
    sqlx::query_scalar("SELECT current_user::TEXT").fetch_one(pool).await.unwrap()
}

async fn assert_is_app(pool: &PgPool) {
    let app: bool =
        sqlx::query_scalar("SELECT current_user = 'usher_app'").fetch_one(pool).await.unwrap();
    assert!(app, "{}", works_as(pool).await);
}

async fn assert_can_only_add(pool: &PgPool) {
    let tables: Vec<String> = sqlx::query_scalar(APPEND_ONLY).fetch_all(pool).await.unwrap();
    let known = ["audit_entry", "checkin", "ledger_transaction", "review_end", "ticket_transfer"];
    assert_eq!(tables, known);
    for table in tables {
        for statement in [
            format!("UPDATE {table} SET account_id = account_id"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
            format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
            format!("DROP TRIGGER {table}_append_only ON {table}"),
            format!("DROP TABLE {table}"),
        ] {
            // In this order a table without such a column is refused too: rights come first.
            let statement = match &*table {
                "ledger_transaction" => statement.replace("account_id", "at"),
                "review_end" => statement.replace("account_id", "note"),
                "ticket_transfer" => statement.replace("account_id", "to_account"),
                _ => statement,
            };
            assert_eq!(refusal(pool, &statement).await.as_deref(), Some("42501"), "{statement}");
        }
    }
    for statement in [
        "ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_balances",
        "CREATE OR REPLACE FUNCTION ledger_balances(BIGINT[]) RETURNS BOOLEAN
             LANGUAGE sql IMMUTABLE STRICT AS 'SELECT true'",
        "DELETE FROM _sqlx_migrations",
        "CREATE TABLE own (a INT)",
        "SET session_replication_role = replica",
    ] {
        assert_eq!(refusal(pool, statement).await.as_deref(), Some("42501"), "{statement}");
    }
    let add = "INSERT INTO audit_entry (at, account_id, action, object, request_id, detail)
         VALUES (1, '00000000-0000-0000-0000-000000000001', 'block', 'E', 'r', '{}');
         INSERT INTO ledger_transaction VALUES (gen_random_uuid(), 'sale', 0, 'E', 1, 'EUR',
             ARRAY['fees', 'fan_receivable'], ARRAY[1, -1], ARRAY[NULL, NULL]::UUID[])";
    assert_eq!(refusal(pool, add).await, None);
}

#[tokio::test]
async fn stages_add_to_what_is_append_only_and_can_change_nothing_there() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let pool = connect_stages(&servers.postgres_config(), "stage").await.unwrap();
    assert_is_app(&pool).await;
    assert_can_only_add(&pool).await;
    // Tables of a later migration are for stages too.
    let owner = servers.postgres().await;
    sqlx::query("CREATE TABLE later (a INT)").execute(&owner).await.unwrap();
    assert_eq!(refusal(&pool, "INSERT INTO later VALUES (1); DELETE FROM later").await, None);
}

/// The configuration of a login, and of a database of its name where it has one.
fn as_login(servers: &TestServers, login: &str, database: &str) -> PostgresConfig {
    let (_, address) = servers.url(Which::Postgres).rsplit_once('@').unwrap();
    let (address, _) = address.split_once('/').unwrap();
    let url = format!("postgres://{login}@{address}/{database}");
    PostgresConfig { url: Url::new(&url), ..servers.postgres_config() }
}

#[tokio::test]
async fn a_login_of_stages_alone_owns_nothing_and_finds_a_schema_that_was_made() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let owner = servers.postgres().await;
    sqlx::query("CREATE ROLE stages LOGIN").execute(&owner).await.unwrap();
    let config = as_login(&servers, "stages", "postgres");
    let refused = connect_stages(&config, "stage").await;
    assert!(refused.is_err(), "nobody has made the schema");
    migrate(&owner).await.unwrap();
    sqlx::query("GRANT usher_app TO stages").execute(&owner).await.unwrap();
    let pool = connect_stages(&config, "stage").await.unwrap();
    assert_is_app(&pool).await;
    assert_can_only_add(&pool).await;
    // What it is without the role changes nothing.
    let login = connect_postgres(&config, "login").await.unwrap();
    assert_eq!(works_as(&login).await, "stages");
    assert_can_only_add(&login).await;
}

#[tokio::test]
async fn a_login_that_makes_no_roles_goes_on_without_until_somebody_makes_it() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let root = servers.postgres().await;
    for statement in ["CREATE ROLE plain LOGIN", "CREATE DATABASE plain OWNER plain"] {
        sqlx::query(statement).execute(&root).await.unwrap();
    }
    let config = as_login(&servers, "plain", "plain");
    let pool = connect_stages(&config, "stage").await.unwrap();
    assert_eq!(works_as(&pool).await, "plain");
    let update = "UPDATE ledger_transaction SET at = 1";
    assert_eq!(refusal(&pool, update).await.as_deref(), Some("23001"), "the trigger is there");
    sqlx::query("CREATE ROLE usher_app").execute(&root).await.unwrap();
    sqlx::query("GRANT usher_app TO plain").execute(&root).await.unwrap();
    assert_eq!(refusal(&pool, "CALL grant_to_app()").await, None);
    let pool = connect_stages(&config, "stage").await.unwrap();
    assert_is_app(&pool).await;
    assert_can_only_add(&pool).await;
}

#[tokio::test]
async fn databases_of_one_server_that_are_made_at_once_share_the_role() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let root = servers.postgres().await;
    let mut configs = Vec::new();
    for number in 0..8 {
        let create = format!("CREATE DATABASE d{number}");
        sqlx::query(AssertSqlSafe(create)).execute(&root).await.unwrap();
        let config = as_login(&servers, "postgres", &format!("d{number}"));
        configs.push(PostgresConfig { connections: 1, ..config });
    }
    let stages = configs.iter().map(|config| connect_stages(config, "stage"));
    for pool in join_all(stages).await {
        assert_is_app(&pool.unwrap()).await;
    }
}
