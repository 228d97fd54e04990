//! `campanile-chaos`: kills the gateway, makes its receivers fail, and checks that every promise of a 2xx is kept.

use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use campanile_chaos::{Cycle, GATEWAY, Kind, Report, Wish, run};
use clap::Parser;

/// The same allocator as in the program, to test the same program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Examples:
  cargo run --release -p campanile-chaos -- --fault kill --cycles 100
  cargo run --release -p campanile-chaos -- --fault points          (each point once)
  cargo run --release -p campanile-chaos -- --fault all --minutes 30
  cargo run --release -p campanile-chaos -- --fault kill --cycles 7 --seed 42   (a case again)
  cargo run --release -p campanile-chaos -- --replicas 3 --fault all

A promise that is broken ends the run: it is said in words, with the folder of the gateway's
files and log.
A seed repeats what is said and what is injected; when threads run is up to the machine, so that
a rare fault may need several runs of one seed.

Exit codes: 0 every promise was kept, 1 one was broken, 2 the command line or the machine is wrong.";

/// Kills the gateway, makes its receivers fail, and checks that every promise of a 2xx is kept.
///
/// Vendors post in their own forms, over several connections. Receivers are real HTTP servers. Every 2xx is recorded as
/// a promise. After each fault, all promised alerts must be at every receiver, in order and once. Only alerts in flight
/// at the fault may arrive twice. docs/reliability.md lists all checks.
#[derive(Debug, Parser)]
#[command(name = "campanile-chaos", after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    /// The fault to inject
    #[arg(long, value_name = "KIND", value_enum, default_value_t = Kind::All)]
    fault: Kind,
    /// Number of gateways on one PostgreSQL database; 1 has a SQLite file
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: u8,
    /// Number of cycles [default: as many as cover everything once]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..))]
    cycles: Option<u32>,
    /// Run for this many minutes, with a new seed for each round
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    minutes: Option<u32>,
    /// Seed of the random numbers [default: a random seed, which is printed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print JSON: one object for each cycle, and one with the total.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    if std::env::args().next().is_some_and(|name| name == GATEWAY) {
        end_with_the_parent();
        return campanile::cli::main();
    }
    let arguments = Arguments::parse();
    match arguments.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            // If this write fails, there is no place to report it.
            let _closed = writeln!(io::stderr(), "error: {trouble}");
            ExitCode::from(2)
        }
    }
}

/// A gateway would keep running after the end of its harness. So it ends when the pipe between them is closed.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let mut nothing = Vec::new();
        // A closed pipe and a broken pipe are handled alike.
        let _ended = io::stdin().read_to_end(&mut nothing);
        std::process::abort();
    });
}

impl Arguments {
    /// Returns true when every promise was kept.
    fn run(&self) -> Result<bool, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()?;
        let budget = self
            .minutes
            .map(|minutes| Duration::from_mins(minutes.into()));
        let began = std::time::Instant::now();
        let mut all = Report::default();
        let mut seed = self.seed.unwrap_or_else(|| rand::random::<u32>().into());
        self.say(&Cycle::header())?;
        loop {
            self.say(&format!("seed {seed}"))?;
            let left = budget.map(|budget| budget.saturating_sub(began.elapsed()));
            let report =
                runtime.block_on(run(&self.wish(seed, left)?, |cycle| self.tell(cycle)))?;
            let broken = report.breaches().next().is_some();
            all.absorb(report);
            if broken || budget.is_none_or(|budget| began.elapsed() >= budget) {
                break;
            }
            seed = rand::random::<u32>().into();
        }
        self.sum_up(&all)?;
        Ok(all.breaches().next().is_none())
    }

    fn wish(&self, seed: u64, stop_after: Option<Duration>) -> io::Result<Wish> {
        Ok(Wish {
            seed,
            kind: self.fault,
            replicas: self.replicas.into(),
            cycles: self.cycles.and_then(|cycles| cycles.try_into().ok()),
            stop_after,
            program: program()?,
            recover_within: Duration::from_secs(5),
            patience: Duration::from_mins(1),
        })
    }

    /// Reports the end of a cycle.
    fn tell(&self, cycle: &Cycle) {
        let line = if self.json {
            serde_json::to_string(cycle).unwrap_or_default()
        } else {
            cycle.shown()
        };
        // If the output is closed, the exit code still reports the result.
        let _closed = writeln!(io::stdout(), "{line}");
    }

    /// Prints a line that is left out of JSON output.
    fn say(&self, line: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        let (bold, plain) = if io::stdout().is_terminal() {
            ("\x1b[1m", "\x1b[0m")
        } else {
            ("", "")
        };
        writeln!(io::stdout(), "{bold}{line}{plain}")
    }

    fn sum_up(&self, report: &Report) -> io::Result<()> {
        if self.json {
            let total = serde_json::json!({"total": report.total(), "died_at": report.died_at});
            return writeln!(io::stdout(), "{total}");
        }
        write!(io::stdout(), "{}", report.shown())?;
        let broken = report.breaches().count();
        if broken == 0 {
            return writeln!(io::stdout(), "\nEvery promise was kept.");
        }
        let seed = report.seed;
        writeln!(
            io::stdout(),
            "\nBROKEN: see the lines above. Repeat the case with: --fault {} --seed {seed}",
            self.fault_word()
        )
    }

    fn fault_word(&self) -> String {
        use clap::ValueEnum;
        let word = self.fault.to_possible_value();
        word.map_or_else(String::new, |word| word.get_name().to_owned())
    }
}

/// The path of this program, which is also the gateway.
fn program() -> io::Result<PathBuf> {
    std::env::current_exe()
}
