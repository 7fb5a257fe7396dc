//! Databases for tests: each test has a migrated database of its own, works in it with the functions' own login roles,
//! and inspects the outcome as superuser.

pub(crate) mod books;
pub(crate) mod proxy;
pub(crate) mod scene;
pub(crate) mod staff;

use std::sync::OnceLock;
use std::time::Duration;

use quittance_store::Database;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use xtask::postgres::ThrowAwayCluster;

const TEMPLATE: &str = "migrated";

/// Far longer than any test here holds a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct TestDatabase {
    url: String,
    /// The superuser's connections, for set-up and inspection.
    pub(crate) admin: PgPool,
}

impl TestDatabase {
    /// Creates a copy of a database to which all migrations were applied.
    pub(crate) async fn migrated() -> Self {
        let made = tokio::task::spawn_blocking(|| migrated_cluster().create_database(Some(TEMPLATE)));
        let url = made.await.unwrap().unwrap();
        let admin = PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap();
        Self { url, admin }
    }

    /// The database as a function with that login role sees it, with a limited number of connections.
    pub(crate) async fn as_role(&self, role: &'static str, connections_max: u32) -> Database {
        Database::from_pool(self.pool_of(role, connections_max).await)
    }

    /// Connections of a login role, for statements that no function executes.
    pub(crate) async fn pool_of(&self, role: &'static str, connections_max: u32) -> PgPool {
        // A role's own limits only apply after a login; without one, a missing lock timeout would hang the test.
        self.pool_with(role, connections_max, "set lock_timeout = '10s'", self.options()).await
    }

    /// Connections of a login role with custom settings and address.
    pub(crate) async fn pool_with(
        &self,
        role: &'static str,
        connections_max: u32,
        settings: &'static str,
        way: PgConnectOptions,
    ) -> PgPool {
        PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let statement = format!("set session authorization {role}; {settings}");
                    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(connection).await.map(drop)
                })
            })
            .connect_with(way)
            .await
            .unwrap()
    }

    /// The direct connection to the database.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.url.parse().unwrap()
    }

    /// Waits until so many connections to this database wait for a lock.
    pub(crate) async fn until_waiting(&self, count: i64) {
        let waiting =
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let watch = async {
            while self.count(waiting).await < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(ACQUIRE_TIMEOUT, watch).await.expect("so many wait for a lock");
    }

    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.admin).await.unwrap()
    }

    pub(crate) async fn text(&self, query: &'static str) -> String {
        sqlx::query_scalar(query).fetch_one(&self.admin).await.unwrap()
    }
}

/// The cluster of this process, with the template that tests copy.
fn migrated_cluster() -> &'static ThrowAwayCluster {
    static CLUSTER: OnceLock<&'static ThrowAwayCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = ThrowAwayCluster::shared().unwrap();
        let url = cluster.create_template(TEMPLATE).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let pool = PgPool::connect(&url).await.unwrap();
            Database::from_pool(pool.clone()).migrate().await.unwrap();
            // A database with open connections cannot be copied.
            pool.close().await;
        });
        cluster
    })
}
