//! Connecting to the daemon's control socket.
