//! What the handler says to what it hears, without sockets: `tests/transcripts/*.txt`.
//!
//! `C:` lines are a request, `S:` lines the answer, `@ +5m` moves the clock, `@ withhold WHAT` and
//! `@ lift WHAT` set the scene, `@ folder`
//! makes it a site without a primary. `UPDATE=1` writes the answers anew.

use http_body_util::BodyExt;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_handler_keeps_to_the_transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut played = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("serve-") {
            continue;
        }
        let script = fs::read_to_string(&path).unwrap();
        let heard = play(&script).await;
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &heard).unwrap();
        }
        let script = fs::read_to_string(&path).unwrap();
        for (number, (expected, found)) in script.lines().zip(heard.lines()).enumerate() {
            assert_eq!(found, expected, "{name}:{}", number + 1);
        }
        assert_eq!(script.lines().count(), heard.lines().count(), "{name}");
        played += 1;
    }
    assert!(played >= 4, "{played} transcripts");
}

/// We act for a primary where nobody answers, or for a site that is only a folder.
fn scene(folder: bool) -> Scene {
    if folder {
        return Scene::new(None);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let tls = primary::Authority::new().client(folder.path());
    let primary = Primary {
        secure: false,
        address,
    };
    let scene = Scene::new(Some((primary, tls)));
    scene.stand(Role::Acting, false, Some(Effect::TakeOver));
    scene
}

/// The script with its `S:` lines as they are said.
async fn play(script: &str) -> String {
    let scene = scene(script.contains("@ folder"));
    let mut out = String::new();
    let mut request: Vec<&str> = Vec::new();
    for line in script.lines().chain([""]) {
        if let Some(said) = line.strip_prefix("C:") {
            request.push(said.strip_prefix(' ').unwrap_or(said));
            out.push_str(&format!("{line}\n"));
            continue;
        }
        if !request.is_empty() {
            for said in ask(&scene, &request).await.lines() {
                out.push_str(format!("S: {said}").trim_end());
                out.push('\n');
            }
            request.clear();
        }
        if let Some(order) = line.strip_prefix("@ ") {
            obey(&scene, order).await;
        }
        if !line.starts_with("S:") {
            out.push_str(&format!("{line}\n"));
        }
    }
    // The line that was added for the last request.
    out.pop();
    out
}

async fn obey(scene: &Scene, order: &str) {
    let (verb, what) = order.split_once(' ').unwrap_or((order, ""));
    match verb {
        "withhold" => {
            let reason = "Beschluss <1 & 2>";
            let outlets = &scene.host.outlets;
            let now = scene.host.clock.now().wall;
            scene
                .withhold
                .withhold(what, reason, "tester", now, outlets)
                .await
                .unwrap();
        }
        "folder" => {}
        "lift" => {
            scene
                .withhold
                .lift(what, "tester", &scene.host.outlets)
                .await
                .unwrap();
        }
        span => {
            let span = host::config::duration(span.strip_prefix('+').unwrap()).unwrap();
            tokio::time::advance(span).await;
        }
    }
}

async fn ask(scene: &Scene, lines: &[&str]) -> String {
    let mut words = lines[0].split(' ');
    let mut request = http::Request::builder()
        .method(words.next().unwrap())
        .uri(words.next().unwrap())
        .header("host", HOST);
    for line in &lines[1..] {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = match scene.handler.handle(HOST, request).await {
        Outcome::Answer(response) => response,
        Outcome::Unavailable {
            organisation,
            retry_after,
        } => return format!("unavailable: {organisation}, again in {retry_after} s"),
    };
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut lines: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    let mut said = format!("{}\n{}\n", head.status, lines.join("\n"));
    if !body.is_empty() {
        let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
        said.push_str(&format!("\n{}\n", line.escape_ascii()));
    }
    said
}
