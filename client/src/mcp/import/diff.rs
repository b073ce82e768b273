//! A unified diff of two versions of a small file.

use std::fmt::Write as _;

/// Lines of context.
const CONTEXT: usize = 3;
/// Most pairs of lines that are compared; beyond, what lies between the equal ends is shown as replaced.
const MAX_PAIRS: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Same,
    Old,
    New,
}

/// The diff; empty if both are the same. `hide` sees every line before it is shown.
pub fn unified(name: &str, old: &str, new: &str, hide: &dyn Fn(&str) -> String) -> String {
    if old == new {
        return String::new();
    }
    let (a, b): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let marks = marks(&a, &b);
    let before = if old.is_empty() { "/dev/null" } else { name };
    let mut out = format!("--- {before}\n+++ {name}\n");
    let (mut at, mut old_line, mut new_line) = (0, 0, 0);
    while at < marks.len() {
        let Some(first) = marks[at..].iter().position(|mark| *mark != Mark::Same) else { break };
        let skipped = first.saturating_sub(CONTEXT);
        (old_line, new_line, at) = (old_line + skipped, new_line + skipped, at + skipped);
        let end = hunk_end(&marks, at + first - skipped);
        let count = |unwanted: Mark| marks[at..end].iter().filter(|mark| **mark != unwanted).count();
        let (old_count, new_count) = (count(Mark::New), count(Mark::Old));
        let start = |line: usize, count: usize| if count == 0 { line } else { line + 1 };
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "@@ -{},{old_count} +{},{new_count} @@",
            start(old_line, old_count),
            start(new_line, new_count)
        );
        for mark in &marks[at..end] {
            let (sign, line) = match mark {
                Mark::Same | Mark::Old => (if *mark == Mark::Old { '-' } else { ' ' }, a[old_line]),
                Mark::New => ('+', b[new_line]),
            };
            old_line += usize::from(*mark != Mark::New);
            new_line += usize::from(*mark != Mark::Old);
            let bare = line.strip_suffix('\n').unwrap_or(line);
            let _ = writeln!(out, "{sign}{}", hide(bare.strip_suffix('\r').unwrap_or(bare)));
            if !line.ends_with('\n') {
                out.push_str("\\ No newline at end of file\n");
            }
        }
        at = end;
    }
    out
}

/// The end of the part that begins with a change: what is equal for long enough parts it from the next.
fn hunk_end(marks: &[Mark], from: usize) -> usize {
    let (mut end, mut same) = (from, 0);
    for (at, mark) in marks.iter().enumerate().skip(from) {
        if *mark == Mark::Same {
            same += 1;
            if same > 2 * CONTEXT {
                break;
            }
        } else {
            same = 0;
            end = at + 1;
        }
    }
    (end + CONTEXT).min(marks.len())
}

/// What happens to each line, in the order of a diff.
fn marks(a: &[&str], b: &[&str]) -> Vec<Mark> {
    let head = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let room = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take(room).take_while(|(a, b)| a == b).count();
    let (x, y) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut marks = vec![Mark::Same; head];
    if x.len().saturating_mul(y.len()) > MAX_PAIRS {
        marks.extend(std::iter::repeat_n(Mark::Old, x.len()));
        marks.extend(std::iter::repeat_n(Mark::New, y.len()));
    } else {
        marks.extend(longest(x, y));
    }
    marks.extend(std::iter::repeat_n(Mark::Same, tail));
    marks
}

/// By the longest common part.
fn longest(a: &[&str], b: &[&str]) -> Vec<Mark> {
    let width = b.len() + 1;
    let mut lengths = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = if a[i] == b[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut marks) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            marks.push(Mark::Same);
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            marks.push(Mark::Old);
            i += 1;
        } else {
            marks.push(Mark::New);
            j += 1;
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> String {
        unified("f", old, new, &str::to_owned)
    }

    #[test]
    fn hunks_are_as_everywhere() {
        assert_eq!(diff("a\n", "a\n"), "");
        assert_eq!(diff("", "a\nb\n"), "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(
            diff("a\nb", "a\nc\n"),
            "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n"
        );
        let old: String = (1..=30).fold(String::new(), |text, n| text + &n.to_string() + "\n");
        let new = old.replace("\n5\n", "\nfive\n").replace("\n25\n", "\n25\nmore\n");
        assert_eq!(
            diff(&old, &new),
            "--- f\n+++ f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -23,6 +23,7 @@\n 23\n 24\n 25\n+more\n 26\n 27\n 28\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn both_sides_can_be_told_from_it(a in "[abc\n]{0,30}", b in "[abc\n]{0,30}") {
            let (x, y): (Vec<&str>, Vec<&str>) = (a.split_inclusive('\n').collect(), b.split_inclusive('\n').collect());
            let marks = marks(&x, &y);
            let count = |unwanted: Mark| marks.iter().filter(|mark| **mark != unwanted).count();
            proptest::prop_assert_eq!((count(Mark::New), count(Mark::Old)), (x.len(), y.len()));
            diff(&a, &b);
        }
    }
}
