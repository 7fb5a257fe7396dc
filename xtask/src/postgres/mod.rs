//! PostgreSQL from the binaries of the Python environment: the stack's cluster and throw-away clusters for tests.

mod binaries;
mod cluster;
mod throw_away;

pub use binaries::{Binaries, Owner};
pub(crate) use cluster::random_password;
pub use cluster::{Access, Cluster, Durability};
pub use throw_away::ThrowAwayCluster;
