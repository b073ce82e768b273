//! One root without the board's task: what survives a failure of either.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use llmctl_proto::event::TaskEvent;
use tokio::sync::Notify;

use super::places::Place;
use super::root::{Job, Root};
use super::rules::Rules;
use super::view::Watching;

fn place(dir: &Path) -> Place {
    let root = dir.join("work/collaboration");
    std::fs::create_dir_all(root.join("inbox")).expect("made");
    Place {
        project: "p".to_owned(),
        project_dir: dir.to_owned(),
        shown: "work/collaboration".to_owned(),
        root,
        rules: Arc::new(Rules::default()),
    }
}

fn write(place: &Place, id: &str, title: &str) {
    let text = format!("id: {id}\nstatus: new\ntitle: {title}\n");
    std::fs::write(place.root.join(format!("inbox/{id}.yaml")), text).expect("written");
}

/// Looks once, whatever is due, and gives the events.
fn look(root: &mut Root) -> Vec<TaskEvent> {
    let later = Instant::now() + std::time::Duration::from_secs(60);
    loop {
        match root.next(later) {
            Some(Job::Look { mut kit, try_watch }) => {
                let look = kit.look(try_watch);
                return root.on_look(kit, look, Instant::now()).0;
            }
            Some(Job::Lock { .. }) => drop(root.on_locked(None)),
            other => panic!("no look but {other:?}"),
        }
    }
}

#[test]
fn a_new_task_of_the_board_goes_on_from_what_the_last_one_showed() {
    let temp = tempfile::tempdir().expect("a directory");
    let place = place(temp.path());
    write(&place, "a", "First");
    let mut root = Root::new(1, place.clone(), None, Arc::new(Notify::new()));
    assert_eq!(look(&mut root), [], "at the start there is a picture and no event");
    let before = Arc::clone(root.view());
    assert_eq!((before.index.len(), before.status.state), (1, Watching::Ok));
    drop(root);
    write(&place, "a", "Second");
    write(&place, "b", "New");
    let mut root = Root::new(2, place, Some(&before), Arc::new(Notify::new()));
    let mut names: Vec<String> = look(&mut root)
        .iter()
        .map(|event| format!("{} {}", event.subject().0, matches!(event, TaskEvent::Created(_))))
        .collect();
    names.sort();
    assert_eq!(names, ["a false", "b true"], "nothing that happened between the two is lost");
    assert_eq!(root.view().generation, before.generation + 1);
}

#[test]
fn a_job_that_fails_takes_only_its_tree_with_it() {
    let temp = tempfile::tempdir().expect("a directory");
    let place = place(temp.path());
    write(&place, "a", "First");
    let mut root = Root::new(1, place.clone(), None, Arc::new(Notify::new()));
    look(&mut root);
    let later = Instant::now() + std::time::Duration::from_secs(60);
    let job = loop {
        match root.next(later) {
            Some(Job::Lock { .. }) => drop(root.on_locked(None)),
            Some(job) => break job,
            None => panic!("nothing is due"),
        }
    };
    drop(job);
    assert!(root.next(later).is_none(), "the tree is away");
    let report = root.on_panic(Instant::now());
    assert_eq!((report.reason.as_str(), report.mode, report.recovered), ("error", "rescan", false));
    assert_eq!(root.view().status.failures, 1);
    write(&place, "a", "Second");
    assert_eq!(look(&mut root).len(), 1, "it goes on from what was shown");
    assert_eq!(root.view().status.state, Watching::Ok);
}
