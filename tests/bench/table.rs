//! The table: one row a figure, as text for a terminal and as Markdown for a file.
//!
//! Owns wording and layout. What a figure means and whether it met its goal is decided where it is measured.

use std::fmt::Write as _;
use std::fs;

use crate::samples::Samples;

/// An anchor that swings more than this between rounds says nothing.
const MAX_SWING: f64 = 2.0;

/// What became of a goal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Reached.
    Met,
    /// Missed.
    Missed,
    /// There is no goal.
    Told,
    /// The machine was too restless; repeat.
    Void,
    /// It could not be measured, and why.
    Failed(String),
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) figure: String,
    /// The median, with its unit.
    pub(crate) value: String,
    /// p99 and maximum, or empty.
    pub(crate) tail: String,
    /// Lowest and highest round.
    pub(crate) spread: String,
    /// Name and value of the anchor.
    pub(crate) anchor: String,
    /// The figure against its anchor.
    pub(crate) against: String,
    /// The goal, or empty.
    pub(crate) goal: String,
    /// What became of it.
    pub(crate) verdict: Verdict,
}

/// How a figure stands against its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// By how much it is more.
    Added,
    /// How many times it is.
    Times,
}

/// A goal on latencies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// None.
    None,
    /// The median, in milliseconds.
    Median(f64),
    /// The rounds' typical p99, in milliseconds.
    Tail(f64),
    /// What is added to the anchor, in milliseconds.
    Added(f64),
    /// The ratio to the anchor.
    Times(f64),
}

impl Row {
    /// A row of latencies in milliseconds beside an anchor.
    pub(crate) fn latency(
        figure: &str,
        product: &Samples,
        anchor: (&str, &Samples),
        against: Against,
        goal: Goal,
    ) -> Self {
        let (name, anchor) = anchor;
        let (median, base) = (product.median(), anchor.median());
        let (added, times) = (median - base, if base > 0.0 { median / base } else { 0.0 });
        let (goal_text, met) = match goal {
            Goal::None => (String::new(), None),
            Goal::Median(limit) => (format!("≤ {}", ms(limit)), Some(median <= limit)),
            Goal::Tail(limit) => (format!("p99 ≤ {}", ms(limit)), Some(product.typical(99.0) <= limit)),
            Goal::Added(limit) => (format!("adds ≤ {}", ms(limit)), Some(added <= limit)),
            Goal::Times(limit) => (format!("≤ {limit}×"), Some(times <= limit)),
        };
        let (low, high) = product.spread();
        Self {
            figure: figure.to_owned(),
            value: ms(median),
            tail: format!("{} / {}", ms(product.typical(99.0)), ms(product.percentile(100.0))),
            spread: format!("{} – {}", ms(low), ms(high)),
            anchor: format!("{name} {}", ms(base)),
            against: match against {
                Against::Added => format!("+{}", ms(added.max(0.0))),
                Against::Times => format!("{times:.2}×"),
            },
            goal: goal_text,
            verdict: verdict(met, anchor),
        }
    }

    /// A row of one number with its unit.
    pub(crate) fn number(figure: &str, value: String, goal: &str, met: Option<bool>) -> Self {
        Self {
            figure: figure.to_owned(),
            value,
            tail: String::new(),
            spread: String::new(),
            anchor: String::new(),
            against: String::new(),
            goal: goal.to_owned(),
            verdict: met.map_or(Verdict::Told, |met| if met { Verdict::Met } else { Verdict::Missed }),
        }
    }

    /// Adds an anchor to a row of one number.
    pub(crate) fn beside(mut self, anchor: String, against: String) -> Self {
        (self.anchor, self.against) = (anchor, against);
        self
    }

    /// A figure that could not be measured.
    pub(crate) fn failed(figure: &str, why: impl std::fmt::Display) -> Self {
        Self { verdict: Verdict::Failed(why.to_string()), ..Self::number(figure, "-".into(), "", None) }
    }

    fn cells(&self) -> [String; 8] {
        let verdict = match &self.verdict {
            Verdict::Met => "met".to_owned(),
            Verdict::Missed => "MISSED".to_owned(),
            Verdict::Told => String::new(),
            Verdict::Void => "void: anchor swung".to_owned(),
            Verdict::Failed(why) => format!("not measured: {why}"),
        };
        let Self { figure, value, tail, spread, anchor, against, goal, .. } = self.clone();
        [figure, value, tail, spread, anchor, against, goal, verdict]
    }
}

/// The verdict on a goal, unless the anchor was too restless.
pub(crate) fn verdict(met: Option<bool>, anchor: &Samples) -> Verdict {
    match met {
        _ if anchor.swing() > MAX_SWING => Verdict::Void,
        Some(true) => Verdict::Met,
        Some(false) => Verdict::Missed,
        None => Verdict::Told,
    }
}

/// Milliseconds with as many digits as mean something.
pub(crate) fn ms(value: f64) -> String {
    match value.abs() {
        v if v < 1.0 => format!("{:.0} µs", value * 1000.0),
        v if v < 10.0 => format!("{value:.2} ms"),
        v if v < 1000.0 => format!("{value:.1} ms"),
        _ => format!("{:.2} s", value / 1000.0),
    }
}

/// Bytes as megabytes of 10^6.
pub(crate) fn mb(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

const HEAD: [&str; 8] =
    ["figure", "median", "p99 / max", "rounds", "anchor", "against it", "goal", "verdict"];

/// For a terminal.
pub(crate) fn text(rows: &[Row]) -> String {
    let head = HEAD.map(str::to_owned);
    let lines: Vec<[String; 8]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// For a file.
pub(crate) fn markdown(rows: &[Row], quick: bool) -> String {
    let form = if quick { "quick form, less exact" } else { "long form" };
    let mut text = format!(
        "# Benchmarks\n\n`cargo run --release -p llmctl-tests --bin bench`, {form}. {}\n\n\
         Times are medians of interleaved rounds; p99 is the rounds' typical one, the maximum is over all. Each \
         figure stands beside an anchor of the same run; absolute figures are guides, what stands \"against it\" \
         holds for other machines too. A figure is void when its anchor swung by more than two between rounds.\n\n",
        machine()
    );
    let _ = writeln!(text, "| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.cells().map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    text
}

/// What the figures were made on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model =
        cpus.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("").trim_matches([' ', '\t', ':']);
    let count = cpus.lines().filter(|l| l.starts_with("processor")).count();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load: Vec<&str> = load.split(' ').take(1).collect();
    format!("Made on {count} × {model}, Linux {}, load average at the end {}.", kernel.trim(), load.join(" "))
}
