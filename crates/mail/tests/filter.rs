//! A spam filter is asked about what is kept, and nothing depends on its answer.

use host::HandbackOutcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::back::{keep, subjects};
use crate::guest::ANNA;
use crate::primary::Primary;
use crate::stage::{Phase, Set, Stage};

/// What rspamd's answer comes to, for a message of this subject.
fn answer(asked: &str) -> String {
    let (action, score) = match asked.contains("Subject: spam") {
        true => ("reject", 23.45),
        false => ("no action", -0.5),
    };
    let body = format!(
        r#"{{"is_skipped":false,"score":{score},"required_score":15.0,"action":"{action}"}}"#
    );
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"Hello.\r\n") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn what_it_says_goes_back_with_the_message() {
    let filter = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let primary = Primary::usual().await;
    let mut set = Set::new(primary.address);
    set.rspamd = Some(filter.local_addr().unwrap());
    let mut stage = Stage::open(set, Phase::Acting).await;
    let keeping = keep(&stage, &[("spam", &ANNA), ("ham", &ANNA)]);
    let answering = async {
        let mut all = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = filter.accept().await.unwrap();
            let asked = read(&mut stream).await;
            stream.write_all(answer(&asked).as_bytes()).await.unwrap();
            all.push(asked);
        }
        all
    };
    let ((), asked) = tokio::join!(keeping, answering);
    for one in asked {
        let one = one.to_ascii_lowercase();
        assert!(one.contains("\r\nfrom: a@client.test\r\n"), "{one}");
        assert!(one.contains("\r\nrcpt: anna@verein.test\r\n"), "{one}");
        assert!(
            one.contains("\r\n\r\nfrom: <sender@client.test>"),
            "no field of ours: {one}"
        );
    }
    stage.checked(1).await;
    stage.checked(2).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    for one in primary.messages() {
        let text = String::from_utf8_lossy(&one.data).into_owned();
        let words = match one.subject().as_str() {
            "spam" => "X-Spam-Status: Yes, score=23.45 required=15.00\r\n",
            _ => "X-Spam-Status: No, score=-0.50 required=15.00\r\n",
        };
        assert!(text.contains(words), "{text}");
        assert_eq!(text.matches("X-Spam-Status").count(), 1);
    }
}

#[tokio::test]
async fn mail_goes_on_without_it() {
    let filter = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let primary = Primary::usual().await;
    let mut set = Set::new(primary.address);
    set.rspamd = Some(filter.local_addr().unwrap());
    drop(filter);
    let mut stage = Stage::open(set, Phase::Acting).await;
    keep(&stage, &[("one", &ANNA), ("two", &ANNA)]).await;
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let messages = primary.messages();
    assert_eq!(subjects(&messages), ["one", "two"]);
    for one in messages {
        assert!(!String::from_utf8_lossy(&one.data).contains("X-Spam-Status"));
    }
}
