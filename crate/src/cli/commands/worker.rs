//! `crossdub worker`: this machine's device, for runs on other machines, by Burn's remote backend.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use clap::Args;

use crate::cli::output;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};

/// Environment variable that holds the token, here and where a run uses the worker.
const TOKEN: &str = "CROSSDUB_TOKEN";

/// Serves this machine's device to runs on other machines
///
/// Prints the name of the device, for --device or --devices of a run, on stdout. A run must know the token: it is taken
/// from CROSSDUB_TOKEN on both sides, or made here and said. The connection is not encrypted: outside a trusted network
/// use an SSH tunnel to the loopback address.
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub worker --device cuda --port 9000\n         \
                        CROSSDUB_TOKEN=... crossdub train --device remote:ws://127.0.0.1:9000 ...")]
pub struct WorkerArgs {
    /// The device to serve: one that crossdub devices lists
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serves whoever can reach the address
    #[arg(long)]
    no_token: bool,
}

/// Runs the command.
pub fn run(args: &WorkerArgs) -> Result<()> {
    let compute = pollster::block_on(ComputeDevice::open(&args.device.parse()?))?;
    let at = format!("{}:{}", args.listen, args.port);
    let fail = |why: String| Error::operation("listening", &*at, why);
    let listener = TcpListener::bind((args.listen, args.port)).map_err(|why| fail(why.to_string()))?;
    let address = listener.local_addr().map_err(|why| fail(why.to_string()))?;
    let mut server = RemoteServer::new([compute.device.clone()]);
    if args.no_token {
        output::status("serving without a token: whoever reaches the address can use it");
    } else {
        let token = token()?;
        server = server.with_authorizer(TokenAuthorizer::new(token).map_err(|why| fail(why.to_string()))?);
    }
    output::status(&format!("serving {} ({}); Ctrl-C ends it", args.device, compute.adapter));
    output::print(&format!("remote:ws://{address}\n"))?;
    server.serve(WebSocketTransport::from_listener(listener)).map_err(|why| fail(why.to_string()))
}

/// The token of the environment, or a new one, which is said.
fn token() -> Result<String> {
    if let Some(given) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
        return Ok(given);
    }
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|why| Error::operation("making a token", "random numbers", why))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    output::status(&format!("runs that use this worker need: export {TOKEN}={token}"));
    Ok(token)
}
