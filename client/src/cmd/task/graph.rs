//! `llmctl task graph`: what waits for what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use llmctl_proto::task::files::Scan;
use llmctl_proto::task::{RawTask, State, Task};
use serde::Serialize;

use super::place::Place;
use super::{print_json, print_safe};
use crate::cli::task::GraphFormat;
use crate::error::{Exit, Outcome};
use crate::term::one_line;

/// Deepest line that is drawn.
const MAX_DEPTH: usize = 20;

#[derive(Debug, Serialize)]
struct Node {
    id: String,
    title: String,
    state: State,
    path: String,
}

#[derive(Debug, Serialize)]
struct Edge {
    /// Who waits.
    task: String,
    /// For whom; a remark when it names no task.
    needs: String,
    /// It names no live task.
    dangling: bool,
}

#[derive(Debug, Default, Serialize)]
struct Graph {
    nodes: BTreeMap<String, Node>,
    edges: Vec<Edge>,
}

pub(super) fn run(place: &mut Place, id: Option<&str>, format: GraphFormat, all: bool) -> Outcome {
    let start = id.map(|id| place.load(id)).transpose()?;
    let scan = place.scan()?;
    let mut graph = Graph::default();
    let mut waiting: Vec<std::sync::Arc<RawTask>> = match &start {
        Some(loaded) => vec![loaded.raw.clone()],
        None => scan
            .board
            .iter()
            .map(|(_, raw)| raw.clone())
            .filter(|raw| all || !Task::new(raw).state().is_final())
            .collect(),
    };
    while let Some(raw) = waiting.pop() {
        let task = Task::new(&raw);
        if graph.add(&scan, task) {
            let needs = task.dependencies().into_iter().filter_map(|d| d.id).chain(task.blocked_by());
            waiting.extend(needs.filter_map(|id| scan.board.named(&id).cloned()));
        }
    }
    match format {
        GraphFormat::Json => {
            let nodes: Vec<&Node> = graph.nodes.values().collect();
            print_json(&serde_json::json!({"nodes": nodes, "edges": graph.edges}))?;
        }
        GraphFormat::Dot => print_safe(&graph.dot())?,
        GraphFormat::Mermaid => print_safe(&graph.mermaid())?,
        GraphFormat::Text => {
            print_safe(&graph.text(start.as_ref().map(|loaded| Task::new(&loaded.raw).id().value)))?;
        }
    }
    Ok(Exit::Ok)
}

impl Graph {
    /// Adds a task with its edges; false if it was there.
    fn add(&mut self, scan: &Scan, task: Task<'_>) -> bool {
        let id = task.id().value.to_owned();
        if self.nodes.contains_key(&id) {
            return false;
        }
        let mut seen = BTreeSet::new();
        let named = task.dependencies().into_iter().map(|d| d.id.unwrap_or(d.text)).chain(task.blocked_by());
        for needs in named.filter(|needs| seen.insert(needs.clone())) {
            let live = scan.board.named(&needs);
            let needs = live.map_or(needs, |raw| Task::new(raw).id().value.to_owned());
            self.edges.push(Edge { task: id.clone(), needs, dangling: live.is_none() });
        }
        let node = Node {
            id: id.clone(),
            title: one_line(&task.title().value, 80),
            state: task.state(),
            path: task.raw().path.clone(),
        };
        self.nodes.insert(id, node);
        true
    }

    fn needs<'g>(&'g self, id: &'g str) -> impl Iterator<Item = &'g Edge> {
        self.edges.iter().filter(move |edge| edge.task == id)
    }

    /// Trees of those who wait, beginning with whom nobody waits for.
    fn text(&self, start: Option<&str>) -> String {
        let needed: BTreeSet<&str> = self.edges.iter().map(|edge| edge.needs.as_str()).collect();
        let mut out = String::new();
        let mut drawn = BTreeSet::new();
        let roots: Vec<&str> = match start {
            Some(id) => vec![id],
            None => {
                let waits = |id: &&str| self.needs(id).next().is_some();
                self.nodes
                    .keys()
                    .map(String::as_str)
                    .filter(waits)
                    .filter(|id| !needed.contains(id))
                    .collect()
            }
        };
        for root in roots {
            self.branch(root, false, 0, &mut Vec::new(), &mut drawn, &mut out);
        }
        // Who is left waits in a circle.
        let left: Vec<&str> =
            self.nodes.keys().map(String::as_str).filter(|id| !drawn.contains(*id)).collect();
        for id in left.into_iter().filter(|_| start.is_none()) {
            if self.needs(id).next().is_some() && !drawn.contains(id) {
                self.branch(id, false, 0, &mut Vec::new(), &mut drawn, &mut out);
            }
        }
        if out.is_empty() { "nothing waits for anything\n".to_owned() } else { out }
    }

    fn branch<'g>(
        &'g self,
        id: &'g str,
        dangling: bool,
        depth: usize,
        above: &mut Vec<&'g str>,
        drawn: &mut BTreeSet<&'g str>,
        out: &mut String,
    ) {
        let circle = above.contains(&id);
        let state = match self.nodes.get(id) {
            _ if dangling => "no task here".to_owned(),
            Some(node) => node.state.to_string(),
            None => "not shown".to_owned(),
        };
        let again = !circle && !dangling && drawn.contains(id) && self.needs(id).next().is_some();
        let mark = if circle {
            ", a circle"
        } else if again {
            ", see above"
        } else {
            ""
        };
        let _ = writeln!(out, "{}{} [{state}{mark}]", "  ".repeat(depth), one_line(id, 100));
        if circle || dangling || again || depth >= MAX_DEPTH {
            return;
        }
        drawn.insert(id);
        above.push(id);
        for edge in self.needs(id) {
            self.branch(&edge.needs, edge.dangling, depth + 1, above, drawn, out);
        }
        above.pop();
    }

    fn dot(&self) -> String {
        let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut out = "digraph tasks {\n  rankdir=LR;\n".to_owned();
        for node in self.nodes.values() {
            let label = quote(&format!("{}\n{}", one_line(&node.title, 60), node.state)).replace('\n', "\\n");
            let _ = writeln!(out, "  {} [label={label}];", quote(&one_line(&node.id, 200)));
        }
        for edge in &self.edges {
            let style = if edge.dangling { " [style=dashed]" } else { "" };
            let _ = writeln!(
                out,
                "  {} -> {}{style};",
                quote(&one_line(&edge.needs, 200)),
                quote(&one_line(&edge.task, 200))
            );
        }
        out + "}\n"
    }

    fn mermaid(&self) -> String {
        let mut names: BTreeMap<&str, String> = BTreeMap::new();
        let mut out = "graph LR\n".to_owned();
        let clean = |text: &str| one_line(text, 60).replace(['"', '<', '>', '#', ';'], " ");
        for id in
            self.nodes.keys().map(String::as_str).chain(self.edges.iter().map(|edge| edge.needs.as_str()))
        {
            if names.contains_key(id) {
                continue;
            }
            let name = format!("t{}", names.len());
            let label = self.nodes.get(id).map_or_else(|| clean(id), |node| clean(&node.title));
            let _ = writeln!(out, "  {name}[\"{label}\"]");
            names.insert(id, name);
        }
        for edge in &self.edges {
            let (Some(from), Some(to)) = (names.get(edge.needs.as_str()), names.get(edge.task.as_str()))
            else {
                continue;
            };
            let _ = writeln!(out, "  {from} {} {to}", if edge.dangling { "-.->" } else { "-->" });
        }
        out
    }
}
