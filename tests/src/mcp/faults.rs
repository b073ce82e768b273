//! What goes wrong beside the conversation: floods, signals that are not heard, memory and processor time.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGTERM;

use super::Options;
use crate::wait::poll;

/// Longest life of a server that hangs, so that a test that fails leaves nothing for ever.
const LIFE: Duration = Duration::from_mins(5);
/// Written at once by a flood.
const BLOCK: usize = 64 << 10;

/// Does nothing for ever, or nearly so.
pub(super) fn hang() {
    let (sender, forever) = mpsc::sync_channel::<()>(1);
    let _ = forever.recv_timeout(LIFE);
    drop(sender);
}

/// Waits.
pub(super) fn pause(ms: u64) {
    poll(Duration::from_millis(ms), || None::<()>);
}

/// Takes SIGTERM and does nothing with it.
pub(super) fn signals(options: &Options) -> io::Result<()> {
    if options.ignore_term {
        signal_hook::flag::register(SIGTERM, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Starts what runs beside the conversation.
pub(super) fn start(options: &Options) {
    if let Some(rate) = options.flood_stderr {
        std::thread::spawn(move || {
            flood(&mut io::stderr(), b"this line is the log of a server that says far too much\n", rate);
        });
    }
    if let Some(rate) = options.noise_stdout {
        std::thread::spawn(move || {
            flood(&mut io::stdout(), b"debug: a line on standard output that is no JSON\n", rate);
        });
    }
    if options.burn {
        std::thread::spawn(|| {
            let begun = Instant::now();
            while begun.elapsed() < LIFE {
                std::hint::spin_loop();
            }
        });
    }
    if options.memory > 0 {
        let kept = vec![1_u8; options.memory << 20];
        std::thread::spawn(move || {
            hang();
            drop(kept);
        });
    }
}

/// Whole lines in blocks, so many megabytes a second, until nobody reads them.
fn flood(out: &mut impl Write, line: &[u8], rate: u64) {
    let block = line.repeat(BLOCK / line.len());
    let (begun, mut written) = (Instant::now(), 0_u64);
    while begun.elapsed() < LIFE && out.write_all(&block).and_then(|()| out.flush()).is_ok() {
        written += block.len() as u64;
        // Megabytes a second are bytes a microsecond.
        if let Some(due) = written.checked_div(rate) {
            let ahead = Duration::from_micros(due).saturating_sub(begun.elapsed());
            if ahead > Duration::from_millis(1) {
                std::thread::park_timeout(ahead);
            }
        }
    }
}
