//! A way to a server that can be broken: closed as after SIGKILL, or silent as after SIGSTOP, and mended again.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way to one server, on a loopback port of its own; dropped, it is closed.
pub struct Detour {
    address: SocketAddr,
    condition: watch::Sender<Condition>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Passes,
    Stalls,
    Closed,
}

impl Detour {
    /// A way to `target` that lets everything pass.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (condition, changes) = watch::channel(Condition::Passes);
        let task = tokio::spawn(accept(listener, target, changes));
        Self { address, condition, task }
    }

    /// Where it begins.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and every connection, as when the server is killed.
    pub fn close(&self) {
        self.condition.send_replace(Condition::Closed);
    }

    /// Takes connections and bytes and passes nothing on, as when the server is stopped.
    pub fn stall(&self) {
        self.condition.send_replace(Condition::Stalls);
    }

    /// Lets everything pass again, also what has waited.
    pub fn mend(&self) {
        self.condition.send_replace(Condition::Passes);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, mut changes: watch::Receiver<Condition>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        let condition = *changes.borrow_and_update();
        if condition == Condition::Closed {
            listener = None;
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = listener.get_or_insert_with(|| {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(address).unwrap();
            socket.listen(1024).unwrap()
        });
        tokio::select! {
            accepted = open.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(connection(stream, target, changes.clone()));
            },
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// Both ways of one connection, until it is closed.
async fn connection(near: TcpStream, target: SocketAddr, mut changes: watch::Receiver<Condition>) {
    if changes.wait_for(|condition| *condition != Condition::Stalls).await.is_err() {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
    let (there, back) = (changes.clone(), changes.clone());
    tokio::select! {
        () = async { tokio::join!(pass(&mut near_in, &mut far_out, there), pass(&mut far_in, &mut near_out, back)); } => {}
        _ = changes.wait_for(|condition| *condition == Condition::Closed) => {}
    }
}

async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut changes: watch::Receiver<Condition>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let passes = changes.wait_for(|condition| *condition == Condition::Passes).await.is_ok();
        if !passes || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
