//! Supervisors beside each other: ours, the least that is one, and other products at their documented defaults.
//!
//! Owns how each is started with so many copies of one child, which of its processes are its own, and how it is
//! ended. What is not installed is not measured, and said: `tests/tools/install.sh supervisors`; runit from the
//! distribution; shep by `cargo install shep`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use llmctl_tests::proc::{self, Stat};
use llmctl_tests::rack;
use llmctl_tests::sandbox::{Sandbox, binary};
use llmctl_tests::tools;
use llmctl_tests::wait::poll;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::daemon::PATIENCE;
use crate::probe;

/// A product, or what stands for the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// The least that is a supervisor.
    Limit,
    /// Ours.
    Llmctl,
    /// supervisord.
    Supervisord,
    /// pm2.
    Pm2,
    /// circus.
    Circus,
    /// runit.
    Runit,
    /// shep.
    Shep,
}

/// All, the limit first and ours second.
pub(crate) const ALL: [Product; 7] = [
    Product::Limit,
    Product::Llmctl,
    Product::Supervisord,
    Product::Pm2,
    Product::Circus,
    Product::Runit,
    Product::Shep,
];

/// A supervisor with its children, in an environment of its own.
#[derive(Debug)]
pub(crate) struct Supervision {
    pub(crate) sandbox: Sandbox,
    product: Product,
    root: i32,
    child: Option<Child>,
}

impl Product {
    /// As it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Limit => "minimal supervisor",
            Self::Llmctl => "llmctl",
            Self::Supervisord => "supervisord",
            Self::Pm2 => "pm2",
            Self::Circus => "circus",
            Self::Runit => "runit",
            Self::Shep => "shep",
        }
    }

    /// Its program; none when it is not installed.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let installed =
            |name: &str| Some(tools::cache_dir().join("bin").join(name)).filter(|path| path.exists());
        let found = |name: &str| {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
        };
        match self {
            Self::Limit | Self::Llmctl => Some(binary("llmctl")),
            Self::Supervisord => installed("supervisord"),
            Self::Pm2 => installed("pm2"),
            Self::Circus => installed("circusd"),
            Self::Runit => found("runsvdir"),
            Self::Shep => installed("shep").or_else(|| found("shep")),
        }
    }
}

/// The file in which each start of a child is noted.
pub(crate) fn starts_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("tmp/starts")
}

/// Starts that were noted so far: nanoseconds of the shared clock, process.
pub(crate) fn starts(sandbox: &Sandbox) -> Vec<(u64, i32)> {
    let text = fs::read_to_string(starts_file(sandbox)).unwrap_or_default();
    let pair =
        |line: &str| line.split_once(' ').and_then(|(at, pid)| Some((at.parse().ok()?, pid.parse().ok()?)));
    text.lines().filter_map(pair).collect()
}

/// The child of all: nobody's input is open but ours, so the others' goes on without.
fn child_words(product: Product, sandbox: &Sandbox) -> Vec<String> {
    let mut words = vec![binary("fake-mcp").display().to_string(), "--starts".to_owned()];
    words.push(starts_file(sandbox).display().to_string());
    if product != Product::Llmctl {
        words.push("--ignore-eof".to_owned());
    }
    words
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

fn spawn(command: &mut Command) -> Result<Child, String> {
    quiet(command).spawn().map_err(|error| format!("{command:?}: {error}"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = quiet(command).status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|error| format!("{}: {error}", path.display()))
}

impl Supervision {
    /// Starts a supervisor with so many children and waits until each has run its first instruction.
    pub(crate) fn start(product: Product, count: usize) -> Result<Self, String> {
        let sandbox = Sandbox::new();
        let program = product.program().ok_or("not installed")?;
        let words = child_words(product, &sandbox);
        let (root, child) = match product {
            Product::Limit => foreground(&probe::supervising_process(count, &words), &sandbox)?,
            Product::Llmctl => ours(&sandbox, &words, count)?,
            Product::Supervisord => supervisord(&sandbox, &program, &words, count)?,
            Product::Pm2 => (pm2(&sandbox, &program, &words, count)?, None),
            Product::Circus => circus(&sandbox, &program, &words, count)?,
            Product::Runit => runit(&sandbox, &program, &words, count)?,
            Product::Shep => (shep(&sandbox, &program, &words, count)?, None),
        };
        let all = poll(PATIENCE, || (starts(&sandbox).len() >= count).then_some(()));
        let this = Self { sandbox, product, root, child };
        all.map(|()| this).ok_or_else(|| "not all children have started".to_owned())
    }

    /// Its own processes, children not counted.
    pub(crate) fn own(&self) -> Vec<Stat> {
        let is_child = |stat: &Stat| {
            proc::program(stat.identity.pid).is_some_and(|program| program.ends_with("fake-mcp"))
        };
        let mut own = proc::descendants(self.root);
        own.retain(|stat| !is_child(stat));
        own.extend(proc::stat(self.root));
        own
    }

    /// Resident memory of its own processes, in bytes.
    pub(crate) fn memory(&self) -> f64 {
        self.own().iter().map(|stat| stat.rss_bytes as f64).sum()
    }

    /// Processor time of its own processes, in clock ticks.
    pub(crate) fn ticks(&self) -> u64 {
        self.own().iter().map(|stat| stat.cpu_ticks).sum()
    }

    /// How many servers answer, by our own word; all of another's children are taken to.
    pub(crate) fn running(&self) -> Option<usize> {
        if self.product != Product::Llmctl {
            return Some(usize::MAX);
        }
        let output = self.sandbox.llmctl(&["mcp", "list", "--json"]).output().ok()?;
        let listed: Value = serde_json::from_slice(&output.stdout).ok()?;
        let servers = if listed.is_array() { &listed } else { &listed["servers"] };
        Some(servers.as_array()?.iter().filter(|server| server["state"] == "running").count())
    }

    /// Ends it, in whatever way ends all of it.
    pub(crate) fn stop(mut self) {
        if self.product == Product::Pm2
            && let Some(program) = self.product.program()
        {
            let _ = run(pm2_command(&self.sandbox, &program).arg("kill"));
        }
        if let Some(root) = proc::stat(self.root) {
            proc::signal(root.identity, Signal::TERM);
        }
        poll(PATIENCE, || {
            let gone = self.child.as_mut().is_none_or(|child| child.try_wait().ok().flatten().is_some());
            (gone && proc::stat(self.root).is_none_or(|stat| stat.state == 'Z')).then_some(())
        });
        // Some leave their children behind.
        self.sandbox.reap();
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.sandbox.reap();
    }
}

type Started = Result<(i32, Option<Child>), String>;

fn foreground(command: &Command, sandbox: &Sandbox) -> Started {
    let mut inside = sandbox.command(command.get_program());
    inside.args(command.get_args());
    let child = spawn(&mut inside)?;
    Ok((child.id() as i32, Some(child)))
}

fn ours(sandbox: &Sandbox, words: &[String], count: usize) -> Started {
    let marker = rack::marker();
    let server = json!({"command": words, "auto_start": true, "env": marker});
    let servers: serde_json::Map<String, Value> =
        (0..count).map(|n| (format!("c{n:03}"), server.clone())).collect();
    // The default interval, said here since the goal names it.
    let all = json!({"mcp_settings": {"health_check_interval_seconds": 30}, "mcp_servers": servers});
    sandbox.configure("mcp.yaml", &all.to_string());
    foreground(&sandbox.llmctld::<&str>(&[]), sandbox)
}

fn supervisord(sandbox: &Sandbox, program: &Path, words: &[String], count: usize) -> Started {
    let dir = sandbox.path("tmp");
    let (conf, at) = (dir.join("s.conf"), dir.display());
    let text = format!(
        "[supervisord]\nlogfile={at}/s.log\npidfile={at}/s.pid\nchildlogdir={at}\nnodaemon=true\nuser=root\n\
         [program:c]\ncommand={}\nprocess_name=%(program_name)s_%(process_num)03d\nnumprocs={count}\n\
         autorestart=true\nstartretries=1000\n",
        words.join(" ")
    );
    let text = if rustix::process::geteuid().is_root() { text } else { text.replace("user=root\n", "") };
    write(&conf, &text)?;
    let mut command = sandbox.command(program);
    command.arg("-c").arg(conf);
    let child = spawn(&mut command)?;
    Ok((child.id() as i32, Some(child)))
}

fn pm2_command(sandbox: &Sandbox, program: &Path) -> Command {
    let mut command = sandbox.command(program);
    command.env("PM2_HOME", sandbox.path("tmp/pm2"));
    command
}

fn pm2(sandbox: &Sandbox, program: &Path, words: &[String], count: usize) -> Result<i32, String> {
    let app = |n: usize| {
        json!({"name": format!("c{n}"), "script": words[0], "args": words[1..].join(" "),
               "interpreter": "none", "exec_mode": "fork"})
    };
    let file = sandbox.path("tmp/apps.json");
    write(&file, &json!({"apps": (0..count).map(app).collect::<Vec<_>>()}).to_string())?;
    run(pm2_command(sandbox, program).arg("start").arg(file))?;
    let pid = fs::read_to_string(sandbox.path("tmp/pm2/pm2.pid")).map_err(|error| error.to_string())?;
    pid.trim().parse().map_err(|_| "pm2 has no process".to_owned())
}

fn circus(sandbox: &Sandbox, program: &Path, words: &[String], count: usize) -> Started {
    let dir = sandbox.path("tmp");
    let (file, at) = (dir.join("c.ini"), dir.display());
    let text = format!(
        "[circus]\ncheck_delay=5\nendpoint=ipc://{at}/ep\npubsub_endpoint=ipc://{at}/ps\n\
         [watcher:c]\ncmd={}\nnumprocesses={count}\ncopy_env=True\n",
        words.join(" ")
    );
    write(&file, &text)?;
    let mut command = sandbox.command(program);
    command.arg(file);
    let child = spawn(&mut command)?;
    Ok((child.id() as i32, Some(child)))
}

/// Writes a script that becomes the child.
fn script(path: &Path, words: &[String]) -> Result<(), String> {
    let text = format!("#!/bin/sh\nexec {}\n", words.join(" "));
    let source = path.with_extension("text");
    write(&source, &text)?;
    run(Command::new("install").args(["-m", "755"]).arg(source).arg(path))
}

fn runit(sandbox: &Sandbox, program: &Path, words: &[String], count: usize) -> Started {
    let dir = sandbox.path("tmp/sv");
    for n in 0..count {
        script(&dir.join(format!("c{n}/run")), words)?;
    }
    let mut command = sandbox.command(program);
    command.arg("-P").arg(dir);
    let child = spawn(&mut command)?;
    Ok((child.id() as i32, Some(child)))
}

fn shep(sandbox: &Sandbox, program: &Path, words: &[String], count: usize) -> Result<i32, String> {
    let (path, home) = (sandbox.path("tmp/child.sh"), sandbox.path("tmp/shep"));
    script(&path, words)?;
    fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    for n in 0..count {
        let mut command = sandbox.command(program);
        command.env("SHEP_HOME", &home);
        run(command.arg("start").arg(&path).args(["--name", &format!("c{n}")]))?;
    }
    let is_daemon =
        |stat: &&Stat| proc::command_line(stat.identity.pid).get(1).is_some_and(|word| word == "daemon");
    let found = sandbox.processes().iter().find(is_daemon).map(|stat| stat.identity.pid);
    found.ok_or_else(|| "shep has no daemon".to_owned())
}

/// Says what is left out.
pub(crate) fn tell_missing() {
    for product in ALL.into_iter().filter(|product| product.program().is_none()) {
        let _ = writeln!(std::io::stderr(), "{} is not installed and not measured", product.name());
    }
}
