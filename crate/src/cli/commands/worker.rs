//! `crossdub worker`: lets runs on other machines use this machine's device, through Burn's remote backend.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use clap::Args;

use crate::cli::output;
use crate::config::DeviceChoice;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};

/// Environment variable with the token, for the worker and for the runs that use it.
const TOKEN: &str = "CROSSDUB_TOKEN";

/// Serve this machine's device to runs on other machines
///
/// Prints the device's name, for a run's --device or --devices, on stdout. Runs need the token: set CROSSDUB_TOKEN on
/// both sides, or use the one that the worker generates and prints. The connection is not encrypted: outside a trusted
/// network, use an SSH tunnel to the loopback address.
#[derive(Debug, Args)]
#[command(after_help = "Example: crossdub worker --device cuda --port 9000\n         \
                        CROSSDUB_TOKEN=... crossdub train --device remote:ws://127.0.0.1:9000 ...")]
pub struct WorkerArgs {
    /// Device to serve: one that crossdub devices lists
    #[arg(long, default_value = "cpu")]
    device: DeviceChoice,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Port to listen on; 0 picks a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serve anyone who can reach the address, without a token
    #[arg(long)]
    no_token: bool,
}

/// Runs the command.
pub fn run(args: &WorkerArgs) -> Result<()> {
    let compute = pollster::block_on(ComputeDevice::open(&args.device))?;
    let at = format!("{}:{}", args.listen, args.port);
    let fail = |why: String| Error::operation("listening", &*at, why);
    let listener = TcpListener::bind((args.listen, args.port)).map_err(|why| fail(why.to_string()))?;
    let address = listener.local_addr().map_err(|why| fail(why.to_string()))?;
    let mut server = RemoteServer::new([compute.device.clone()]);
    if args.no_token {
        output::status("serving without a token: anyone who can reach the address can use the device");
    } else {
        let token = load_or_create_token()?;
        server = server.with_authorizer(TokenAuthorizer::new(token).map_err(|why| fail(why.to_string()))?);
    }
    output::status(&format!("serving {} ({}); press Ctrl-C to stop", args.device, compute.adapter));
    output::print(&format!("remote:ws://{address}\n"))?;
    server.serve(WebSocketTransport::from_listener(listener)).map_err(|why| fail(why.to_string()))
}

/// The token from the environment, or a new one, which is printed.
fn load_or_create_token() -> Result<String> {
    if let Some(given) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
        return Ok(given);
    }
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|why| Error::operation("generating a token", "random numbers", why))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    output::status(&format!("runs that use this worker need this: export {TOKEN}={token}"));
    Ok(token)
}
