//! A static web server for this machine alone: GET and HEAD of files below given folders, and texts posted back.
//!
//! Each connection carries one request. Requests that name another host are turned away, so that no page of another
//! origin reads the files through a name that it points at this machine.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::error::{Error, Result};

/// The longest request line and headers together.
const MAX_HEAD: u64 = 16 << 10;
/// The longest posted text.
const MAX_POST: u64 = 1 << 20;
/// Connections served at the same time.
const MAX_CONNECTIONS: usize = 64;
/// A client that is silent for so long is dropped.
const IO_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a waiting server looks whether it should stop.
const POLL: Duration = Duration::from_millis(50);

/// A server that listens, but does not answer yet.
pub struct Server {
    listener: TcpListener,
    folders: Vec<(String, PathBuf)>,
    posts: Option<Sender<String>>,
}

impl Server {
    /// Listens on this port of the loopback interface; 0 takes a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn bind(port: u16) -> Result<Self> {
        let fail = |why| Error::operation("listening", format!("127.0.0.1:{port}"), why);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        Ok(Self { listener, folders: Vec::new(), posts: None })
    }

    /// Serves the files of a folder below a path that ends with a slash. The longest such path decides.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn with_folder(mut self, prefix: &str, folder: &Path) -> Result<Self> {
        let fail = |why: &dyn std::fmt::Display| Error::file("serving", folder.display().to_string(), why);
        let root = fs::canonicalize(folder).map_err(|why| fail(&why))?;
        if !root.is_dir() {
            return Err(fail(&"is not a folder"));
        }
        self.folders.push((prefix.to_owned(), root));
        self.folders.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(self)
    }

    /// Hands over every text that is posted to `/result`.
    pub fn with_posts(mut self, posts: Sender<String>) -> Self {
        self.posts = Some(posts);
        self
    }

    /// The port.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn port(&self) -> Result<u16> {
        let address = self.listener.local_addr();
        Ok(address.map_err(|why| Error::operation("listening", "127.0.0.1", why))?.port())
    }

    /// Answers requests until `stop` is set.
    pub fn run(&self, stop: &AtomicBool) {
        let open = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            while !stop.load(Ordering::Relaxed) {
                match self.listener.accept() {
                    Ok((stream, _)) if open.load(Ordering::Relaxed) < MAX_CONNECTIONS => {
                        open.fetch_add(1, Ordering::Relaxed);
                        let open = &open;
                        scope.spawn(move || {
                            // A client may disconnect at any time.
                            drop(self.answer(&stream));
                            open.fetch_sub(1, Ordering::Relaxed);
                        });
                    }
                    Ok(_) => {}
                    Err(_) => std::thread::sleep(POLL),
                }
            }
        });
    }

    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        let Some(request) = Request::read(stream)? else { return respond(stream, "400 Bad Request") };
        if !request.is_local {
            return respond(stream, "403 Forbidden");
        }
        match (request.method.as_str(), &self.posts) {
            ("GET" | "HEAD", _) => self.send(stream, &request),
            ("POST", Some(posts)) if request.path == "/result" => {
                drop(posts.send(request.body));
                respond(stream, "204 No Content")
            }
            _ => respond(stream, "405 Method Not Allowed"),
        }
    }

    fn send(&self, mut stream: &TcpStream, request: &Request) -> io::Result<()> {
        let body_too = request.method == "GET";
        let Some(file) = self.locate(&request.path) else { return respond(stream, "404 Not Found") };
        if file.is_dir() {
            let to = format!("301 Moved Permanently\r\nLocation: {}/", request.path);
            return respond(stream, &to);
        }
        let opened = File::open(&file)?;
        let length = opened.metadata()?.len();
        write!(stream, "{}", ok_head(media_type(&file), length))?;
        if body_too {
            io::copy(&mut opened.take(length), &mut stream)?;
        }
        Ok(())
    }

    /// The file of a path; a folder without its slash stands for itself. Nothing outside the folders is found, also
    /// not through links.
    fn locate(&self, path: &str) -> Option<PathBuf> {
        let (prefix, root) = self.folders.iter().find(|(prefix, _)| path.starts_with(prefix.as_str()))?;
        let inside = Path::new(&path[prefix.len()..]);
        if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        let mut file = root.join(inside);
        if path.ends_with('/') {
            file.push("index.html");
        }
        let file = fs::canonicalize(file).ok()?;
        (file.starts_with(root) && (file.is_file() || file.is_dir())).then_some(file)
    }
}

/// What a client asks for.
struct Request {
    method: String,
    /// Decoded, without the query.
    path: String,
    /// Whether it names this machine as its host.
    is_local: bool,
    body: String,
}

impl Request {
    /// `None` if it is not a request.
    fn read(stream: &TcpStream) -> io::Result<Option<Self>> {
        let mut reader = BufReader::new(stream.take(MAX_HEAD + MAX_POST));
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            head.push(line);
            if head.iter().map(String::len).sum::<usize>() as u64 > MAX_HEAD {
                return Ok(None);
            }
        }
        let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let Some(path) = decoded(target.split(['?', '#']).next().unwrap_or_default()) else {
            return Ok(None);
        };
        let header = |name: &str| {
            let lines = head.iter().skip(1).filter_map(|line| line.split_once(':'));
            lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let host = header("host").unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let length = header("content-length").and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
        let mut body = Vec::new();
        if length > MAX_POST {
            return Ok(None);
        }
        reader.take(length).read_to_end(&mut body)?;
        Ok(Some(Self {
            method: method.to_owned(),
            path,
            is_local: ["127.0.0.1", "localhost"].contains(&host),
            body: String::from_utf8_lossy(&body).into_owned(),
        }))
    }
}

/// A path with its percent signs resolved; `None` if it does not begin with a slash, or is not UTF-8.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let value = match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        };
        if value == 0 || value == b'\\' {
            return None;
        }
        decoded.push(value);
    }
    String::from_utf8(decoded).ok().filter(|path| path.starts_with('/'))
}

fn ok_head(media_type: &str, length: u64) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
}

fn respond(mut stream: &TcpStream, status: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// The media type of a file, by its ending.
fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript",
        "css" => "text/css",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "toml" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to a raw request.
    fn ask(server: &Server, request: &str) -> String {
        let port = server.port().expect("listens");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| server.run(&stop));
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connects");
            stream.write_all(request.as_bytes()).expect("asks");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("answers");
            stop.store(true, Ordering::Relaxed);
            answer
        })
    }

    fn get(server: &Server, path: &str) -> String {
        ask(server, &format!("GET {path} HTTP/1.1\r\nHost: localhost:1\r\n\r\n"))
    }

    #[test]
    fn files_come_with_their_types_and_nothing_else_comes() {
        let outside = tempfile::tempdir().expect("a folder");
        let root = outside.path().join("site");
        fs::create_dir_all(root.join("a b")).expect("made");
        fs::write(outside.path().join("secret.txt"), "secret").expect("written");
        fs::write(root.join("index.html"), "<p>page").expect("written");
        fs::write(root.join("a b/m.wasm"), "module").expect("written");
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path().join("secret.txt"), root.join("link.txt")).expect("linked");
        let server = Server::bind(0).and_then(|server| server.with_folder("/", &root)).expect("serves");

        let page = get(&server, "/?query");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/html") && page.ends_with("<p>page"));
        let module = get(&server, "/a%20b/m.wasm");
        assert!(module.contains("application/wasm") && module.ends_with("module"), "{module}");
        assert!(get(&server, "/a%20b").starts_with("HTTP/1.1 301"), "relative links need the slash");
        for path in
            ["/../secret.txt", "/%2e%2e/secret.txt", "/a%20b/../../secret.txt", "//etc/passwd", "/link.txt"]
        {
            let answer = get(&server, path);
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
    }

    #[test]
    fn hostile_requests_are_turned_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let server =
            Server::bind(0).and_then(|server| server.with_folder("/", folder.path())).expect("serves");
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20_000));
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
            ("POST /result HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", "405"),
            ("GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
            ("GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
            ("POST /result HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", "400"),
            ("nonsense\r\n\r\n", "400"),
            (&long, "400"),
        ] {
            let answer = ask(&server, request);
            let shown = request.get(..60).unwrap_or(request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown}: {answer}");
        }
    }

    #[test]
    fn posted_texts_are_handed_over() {
        let (sender, posts) = std::sync::mpsc::channel();
        let server = Server::bind(0).expect("listens").with_posts(sender);
        let request = "POST /result HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 4\r\n\r\n{\"a\"";
        assert!(ask(&server, request).starts_with("HTTP/1.1 204"));
        assert_eq!(posts.recv().expect("comes"), "{\"a\"");
    }
}
