//! `openssl s_server`, as the other end of a handshake.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::product::Issued;

/// A server that demands a client certificate and answers every line with its letters reversed. It
/// ends when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Serves with an issued certificate; clients have to come from the same root.
    ///
    /// # Panics
    /// If `s_server` does not start to listen.
    pub fn start(issued: &Issued) -> Self {
        Self::start_with(&issued.file("root.crt"), &issued.file("tls.crt"), &issued.file("tls.key"))
    }

    /// Serves with the chain and key of two files; clients have to come from one of the anchors.
    ///
    /// # Panics
    /// If `s_server` does not start to listen.
    pub fn start_with(anchors: &Path, chain: &Path, key: &Path) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-Verify", "4"]);
        command.args(["-verify_return_error", "-no-CApath", "-no-CAstore"]);
        command.arg("-CAfile").arg(anchors).arg("-cert").arg(chain).arg("-key").arg(key);
        // The first certificate of the file is the leaf, which a peer passes over in the chain.
        command.arg("-cert_chain").arg(chain);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("s_server starts");
        let output = child.stdout.take().expect("standard output is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok());
        // Whatever it says later has to be read, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port: port.expect("s_server says where it listens") }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _no_one_asks = self.child.wait();
    }
}
