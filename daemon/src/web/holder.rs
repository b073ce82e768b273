//! Who holds a port, for an error message that helps.

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// ` by NAME (pid N)`, or nothing when it cannot be found out.
pub(super) fn describe(addr: SocketAddr) -> String {
    let Some(inode) = listening_inode(addr) else { return String::new() };
    let Some((pid, name)) = owner(&inode) else { return " by a process of another user".to_owned() };
    format!(" by {name} (pid {pid})")
}

/// The inode of the socket that listens on an address, from the kernel's tables.
fn listening_inode(addr: SocketAddr) -> Option<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (*state == "0A" && listens_on(local, addr)).then(|| (*inode).to_owned())
        })
    })
}

/// Whether a table's address, hex in the machine's byte order, is this one or all addresses.
fn listens_on(local: &str, addr: SocketAddr) -> bool {
    let Some((host, port)) = local.split_once(':') else { return false };
    if u16::from_str_radix(port, 16) != Ok(addr.port()) {
        return false;
    }
    let any = host.bytes().all(|b| b == b'0');
    let same = match addr.ip() {
        IpAddr::V4(ip) => u32::from_str_radix(host, 16) == Ok(u32::from_ne_bytes(ip.octets())),
        // Four words of four bytes, each in the machine's order.
        IpAddr::V6(ip) => ip.octets().chunks_exact(4).enumerate().all(|(at, word)| {
            let written = host.get(at * 8..at * 8 + 8).and_then(|hex| u32::from_str_radix(hex, 16).ok());
            written.is_some_and(|value| value.to_ne_bytes() == word)
        }),
    };
    any || same
}

fn owner(inode: &str) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link.to_str() == Some(&wanted)));
        let name = || fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim().to_owned();
        holds.then(|| (pid, name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let addr = listener.local_addr().expect("address");
        assert!(describe(addr).ends_with(&format!("(pid {})", std::process::id())), "{}", describe(addr));
        drop(listener);
        assert_eq!(describe(addr), "");
    }

    #[test]
    fn addresses_of_the_table_are_compared_whole() {
        let addr = |text: &str| text.parse::<SocketAddr>().expect("address");
        let word = |octets: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(octets));
        let (v4, one) = (word([127, 0, 0, 1]), word([0, 0, 0, 1]));
        assert!(listens_on(&format!("{v4}:1F90"), addr("127.0.0.1:8080")));
        assert!(!listens_on(&format!("{v4}:1F90"), addr("127.0.0.2:8080")));
        assert!(!listens_on(&format!("{v4}:1F91"), addr("127.0.0.1:8080")));
        assert!(listens_on("00000000:1F90", addr("127.0.0.1:8080")), "all addresses");
        let loopback = format!("{}{one}", "0".repeat(24));
        assert!(listens_on(&format!("{loopback}:1F90"), addr("[::1]:8080")));
        assert!(!listens_on(&format!("{loopback}:1F90"), addr("[fe80::1]:8080")));
        assert!(listens_on(&format!("{}:1F90", "0".repeat(32)), addr("[::1]:8080")), "all addresses");
    }
}
