//! PyTorch beside us, step by step: `peers.py`, asked over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::context::Context;
use crate::error::{Error, Result};

/// A running `peers.py` with a network.
pub struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// `PyTorch 2.11.0, NVIDIA H100 80GB HBM3`, or `PyTorch 2.11.0, CPU, 8 threads`.
    pub name: String,
}

impl Peer {
    /// Starts it; it answers once PyTorch is loaded. None without a Python.
    ///
    /// # Errors
    /// When Python, PyTorch or the network is missing.
    pub fn start(context: &Context, arguments: &[String]) -> Option<Result<Self>> {
        let python = context.python.as_deref()?;
        Some(Self::open(python, &context.bundle.join("peers.py"), arguments))
    }

    fn open(python: &Path, script: &Path, arguments: &[String]) -> Result<Self> {
        let fail = |why: String| Error::operation("measuring", "PyTorch", why);
        let mut command = Command::new(python);
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|why| fail(format!("{}: {why}", python.display())))?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(fail("no pipes".to_owned()));
        };
        let answers = BufReader::new(answers);
        let mut peer = Self { child, questions, answers, name: String::new() };
        let about = peer.answer()?;
        peer.name = about["name"].as_str().unwrap_or("PyTorch").to_owned();
        Ok(peer)
    }

    /// The number that answers a question.
    ///
    /// # Errors
    /// When PyTorch fails.
    pub fn ask(&mut self, question: &str) -> Result<f64> {
        let fail = |why: String| Error::operation("measuring", "PyTorch", why);
        writeln!(self.questions, "{question}").map_err(|why| fail(why.to_string()))?;
        let answer = self.answer()?;
        answer["value"].as_f64().ok_or_else(|| fail(format!("answered {answer}")))
    }

    fn answer(&mut self) -> Result<Value> {
        let fail = |why: String| Error::operation("measuring", "PyTorch", why);
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|why| fail(why.to_string()))?;
        if line.is_empty() {
            let status = self.child.wait().map_or_else(|why| why.to_string(), |status| status.to_string());
            return Err(fail(format!("peers.py ended with {status}")));
        }
        let answer: Value = serde_json::from_str(&line).map_err(|why| fail(why.to_string()))?;
        match answer["error"].as_str() {
            Some(why) => Err(fail(why.to_owned())),
            None => Ok(answer),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
