//! How much room a connection takes.

use super::*;

/// As long as a connection lives, it takes at least this much, whatever is spoken over it.
#[test]
fn a_connection_takes_little_room() {
    fn size<F>(_: impl FnOnce(Connection, TcpStream, SocketAddr) -> F) -> usize {
        size_of::<F>()
    }
    let size = size(Connection::serve);
    assert!(size < 4096, "{size}");
}
