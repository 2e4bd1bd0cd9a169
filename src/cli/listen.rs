//! Where the server listens, and what it needs of the system for as many clients as it lets in.

use std::io;
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};

use super::CliError;

/// Connections that the system keeps until they are accepted, if it allows so many. It drops the first packet of whoever
/// comes beyond, and their client tries again after a second.
const BACKLOG: u32 = 4096;

/// Descriptors for all that is no connection: files, the queue, the runtime.
const OTHERS: usize = 128;

/// Listens on the first address that can be had.
pub(super) fn listen(addresses: &[SocketAddr]) -> Result<TcpListener, CliError> {
    let bind = |address: SocketAddr| {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A server that is started again need not wait for the connections of the last one.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    let mut failure = None;
    for &address in addresses {
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(source) => failure = Some(CliError::Listen { address, source }),
        }
    }
    Err(failure.unwrap_or_else(|| CliError::Server(io::ErrorKind::AddrNotAvailable.into())))
}

/// Has the system allow descriptors for so many connections, as far as it does. Where they run out, clients wait, and reads
/// from the store fail.
pub(super) fn descriptors(connections: usize) {
    let needed = (connections + OTHERS) as u64;
    let limit = getrlimit(Resource::Nofile);
    let Some(allowed) = limit.current.filter(|&allowed| allowed < needed) else {
        return;
    };
    let most = limit.maximum.map_or(needed, |most| most.min(needed));
    let raised = Rlimit {
        current: Some(most),
        ..limit
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most,
        Err(_) => allowed,
    };
    if allowed < needed {
        tracing::warn!(
            allowed,
            needed,
            "there may be too few descriptors: raise the limit (ulimit -n, LimitNOFILE), or lower --max-connections"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_address_that_can_be_had_is_taken() {
        let taken = listen(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let address = taken.local_addr().unwrap();
        let error = listen(&[address]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot listen on {address}: "))
        );
        assert!(listen(&[address, "127.0.0.1:0".parse().unwrap()]).is_ok());
    }
}
