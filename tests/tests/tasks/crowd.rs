//! Twelve writers at once: six by the command line, six by hand as editors and scripts write. Whatever they do, the
//! board ends in what is on disk, its events add up to the same, and no change that was accepted is lost.
//!
//! `LLMCTL_TEST_STORM` is the number of operations, half of them of each kind; a few hundred unless it is set.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use llmctl_proto::task::files::Tree;
use llmctl_proto::task::{Layout, Mirror};
use llmctl_tests::wait::wait_until;

use crate::random::Random;
use crate::stage::{SOON, Stage, pause, task};
use crate::storms::{cold, converges, timeless};

/// Operations unless somebody says how many.
const USUAL: usize = 360;
/// Writers of each kind.
const EACH: usize = 6;
/// Cards that everybody fights over.
const CARDS: usize = 40;

/// Where a card is now, as a writer by hand finds it.
fn find(stage: &Stage, n: usize) -> Option<PathBuf> {
    fn look(dir: &std::path::Path, name: &str) -> Option<PathBuf> {
        for entry in std::fs::read_dir(dir).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                if let Some(found) = look(&path, name) {
                    return Some(found);
                }
            } else if entry.file_name() == name {
                return Some(path);
            }
        }
        None
    }
    look(&stage.root, &format!("crowd-{n}.yaml"))
}

/// One operation by the command line. Refusals are answers too; anything else is a fault.
fn by_command(stage: &Stage, random: &mut Random, writer: usize, n: usize) {
    let id = format!("crowd-{}", random.below(CARDS as u64));
    let (text, agent) = (format!("note {writer}-{n}"), format!("agent-{}", random.below(3)));
    let words: Vec<&str> = match random.below(9) {
        0 => vec!["claim", &id, "--agent", &agent],
        1 => vec!["start", &id],
        2 => vec!["priority", &id, "high"],
        3 => vec!["priority", &id, "low"],
        4 => vec!["note", &id, &text],
        5 => vec!["complete", &id, "-s", "done by the crowd"],
        6 => vec!["reopen", &id],
        7 => vec!["block", &id, "--reason", "it waits"],
        _ => vec!["unblock", &id],
    };
    let done = stage.sandbox.run(&[&["task"], words.as_slice()].concat(), SOON);
    assert!(matches!(done.code, Some(0..=2)), "{words:?}: {:?} {}", done.code, done.stderr_text());
}

/// One operation as a person, an editor or a script does it, who knows of no lock.
fn by_hand(stage: &Stage, random: &mut Random, writer: usize, n: usize) {
    let at = random.below(CARDS as u64) as usize;
    let id = format!("crowd-{at}");
    let Some(path) = find(stage, at) else {
        stage.write(&format!("inbox/{id}.yaml"), &task(&id, "new"));
        return;
    };
    let Ok(text) = std::fs::read_to_string(&path) else { return };
    // Whatever is moved or deleted meanwhile is somebody else's doing: none of these has to succeed.
    match random.below(6) {
        0 => {
            let beside = path.with_extension(format!("tmp{writer}"));
            let _ = std::fs::write(&beside, format!("{text}# saved {writer}-{n}\n"));
            let _ = std::fs::rename(&beside, &path);
        }
        1 => {
            let _ = std::fs::write(&path, "");
            let _ = std::fs::write(&path, &text);
        }
        2 => {
            let lane = random.pick(&["inbox", "assigned/agent-0", "assigned/agent-1", "done/agent-0"]);
            let to = stage.root.join(lane);
            let _ = std::fs::create_dir_all(&to);
            let _ = std::fs::rename(&path, to.join(format!("{id}.yaml")));
        }
        3 => {
            let to = stage.root.join("done/agent-1");
            let _ = std::fs::create_dir_all(&to);
            let _ = std::fs::write(to.join(format!("{id}.yaml")), &text);
            let _ = std::fs::remove_file(&path);
        }
        4 => {
            let _ = std::fs::write(&path, text.replace("status: new", "status: assigned"));
        }
        _ => {
            let _ = std::fs::remove_file(&path);
        }
    }
}

#[test]
fn twelve_writers_leave_what_is_on_disk() {
    let Some(stage) = Stage::provided() else { return };
    let whole = std::env::var("LLMCTL_TEST_STORM").ok().and_then(|text| text.parse().ok()).unwrap_or(USUAL);
    for n in 0..CARDS {
        stage.write(&format!("inbox/crowd-{n}.yaml"), &task(&format!("crowd-{n}"), "new"));
    }
    for writer in 0..EACH {
        let id = format!("own-{writer}");
        stage.write(&format!("assigned/agent-{writer}/{id}.yaml"), &task(&id, "assigned"));
    }
    wait_until(SOON, "all cards", || stage.board().contains_key("assigned/agent-5/own-5.yaml"));
    pause(700);
    let mut mirror = {
        let scan = Tree::new(&stage.root, Layout::default()).scan().expect("a scan");
        Mirror::of(&scan.board)
    };
    let follower = stage.follow();
    let (by_commands, accepted) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; EACH]);
    let (by_hands, half) = (AtomicUsize::new(0), whole / 2);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..EACH {
            let (stage, by_commands, by_hands, accepted) = (&stage, &by_commands, &by_hands, &accepted);
            scope.spawn(move || {
                let mut random = Random::new(writer as u64);
                let mut n = 0;
                while by_commands.fetch_add(1, Ordering::Relaxed) < half {
                    n += 1;
                    // Each fifth goes to a card that only the command line writes: not one of those may be lost.
                    if n % 5 == 0 {
                        let (card, pair) = (random.below(EACH as u64), format!("by_{writer}={n}"));
                        let words = ["task", "set", &format!("own-{card}"), &pair];
                        let set = stage.sandbox.run(&words, SOON);
                        assert_eq!(set.code, Some(0), "{pair}: {}", set.stderr_text());
                        accepted[card as usize].fetch_add(1, Ordering::Relaxed);
                        let text = stage.read(&format!("assigned/agent-{card}/own-{card}.yaml"));
                        assert!(
                            text.lines().any(|line| line == format!("by_{writer}: {n}")),
                            "{pair}:\n{text}"
                        );
                    } else {
                        by_command(stage, &mut random, writer, n);
                    }
                }
            });
            scope.spawn(move || {
                let mut random = Random::new(100 + writer as u64);
                let mut n = 0;
                while by_hands.fetch_add(1, Ordering::Relaxed) < half {
                    n += 1;
                    by_hand(stage, &mut random, writer, n);
                    // A hand is no loop: it goes beside the commands to the end, not far ahead of them.
                    while by_hands.load(Ordering::Relaxed) > by_commands.load(Ordering::Relaxed) + EACH {
                        pause(2);
                    }
                }
            });
        }
    });
    let storm = began.elapsed();
    converges(&stage, Duration::from_secs(3));
    pause(1_000);
    converges(&stage, Duration::ZERO);
    let events = follower.typed();
    for event in &events {
        let before = mirror.clone();
        mirror.apply(event);
        assert_ne!(mirror, before, "told twice: {event:?}");
    }
    assert_eq!(timeless(&mirror), cold(&stage.root), "{} events of {whole} operations", events.len());
    assert!(accepted.iter().all(|count| count.load(Ordering::Relaxed) > 0), "{accepted:?}");
    llmctl_tests::rack::tell(&format!(
        "{whole} operations of twelve writers in {:.1} s: {} events, the board is what is on disk",
        storm.as_secs_f64(),
        events.len()
    ));
}
