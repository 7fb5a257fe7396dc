use crate::reader::tests::read_all;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.02";

fn message(statement: &str) -> String {
    format!(
        "<Document xmlns=\"{NAMESPACE}\"><BkToCstmrStmt><Stmt><Id>S</Id>{statement}</Stmt></BkToCstmrStmt></Document>"
    )
}

fn refusal(file: &[u8]) -> String {
    read_all(file).unwrap_err().to_string()
}

#[test]
fn document_types_and_entities_of_ones_own_are_refused() {
    let lol = "<!DOCTYPE Document [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>";
    assert!(refusal(format!("{lol}{}", message("&b;")).as_bytes()).contains("DOCTYPE"));
    assert!(refusal(message("&xxe;").as_bytes()).contains("five predefined"));
    assert!(refusal(message("<A b=\"&xxe;\"/>").as_bytes()).contains("not predefined"));
    assert!(refusal(message("a & b").as_bytes()).contains("well-formed"));
}

#[test]
fn nothing_that_a_stranger_makes_large_is_held() {
    let deep = format!("{}{}", "<a>".repeat(70), "</a>".repeat(70));
    assert!(refusal(message(&deep).as_bytes()).contains("deeper than 64"));
    let attributes: String = (0..1000).map(|at| format!(" a{at}=\"\"")).collect();
    assert!(refusal(message(&format!("<A{attributes}/>")).as_bytes()).contains("32 attributes"));
    let many: String = (0..1_000_000).map(|at| format!(" a{at}=\"\"")).collect();
    for token in [
        format!("<A{many}/>"),
        "x".repeat(2_000_000),
        format!("<!-- {} -->", "x".repeat(2_000_000)),
        format!("<A b=\"{}\"/>", "x".repeat(2_000_000)),
    ] {
        assert!(refusal(message(&token).as_bytes()).contains("bytes"));
    }
    assert!(refusal(message(&format!("<Bal>{}</Bal>", "<a/>".repeat(30_000))).as_bytes()).contains("elements"));
    assert!(refusal(message("<A b=\"1\" b=\"2\"/>").as_bytes()).contains("twice"));
}

#[test]
fn what_is_not_well_formed_is_refused_with_its_line() {
    for (file, reason) in [
        (message("\n<a></b>"), "not closed"),
        (message("\n<a"), "line 2"),
        (format!("{}\ntrailing", message("")), "outside of the root"),
        (format!("{}\n<a/>", message("")), "second root"),
        (message("").replace("</Document>", ""), "cut off"),
        (message("<a b=1/>"), "attribute"),
    ] {
        let refused = refusal(file.as_bytes());
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn encodings_are_those_that_are_declared() {
    let with = |encoding: &str, owner: &[u8]| {
        let start = format!(
            "<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n<Document xmlns=\"{NAMESPACE}\"><BkToCstmrStmt><Stmt><Acct><Ownr><Nm>"
        );
        [start.as_bytes(), owner, b"</Nm></Ownr></Acct></Stmt></BkToCstmrStmt></Document>"].concat()
    };
    for (encoding, bytes, owner) in [
        ("UTF-8", "Müller €".as_bytes(), "Müller €"),
        ("iso-8859-1", b"M\xfcller", "Müller"),
        ("ISO-8859-15", b"\xa4", "€"),
        ("windows-1252", b"\x80", "€"),
        ("US-ASCII", b"Muller", "Muller"),
    ] {
        let (_, ends) = read_all(&with(encoding, bytes)).unwrap();
        assert_eq!(ends[0].statement.owner.as_deref(), Some(owner), "{encoding}");
    }
    assert!(refusal(&with("UTF-8", b"M\xfcller")).contains("line 2: the file is not in the encoding"));
    assert!(refusal(&with("US-ASCII", b"M\xfcller")).contains("US-ASCII"));
    assert!(refusal(&with("UTF-16", b"x")).contains("is not read; save the file as UTF-8"));
    assert!(refusal(b"\xff\xfe<\0?\0").contains("UTF-16"));
    let marked = [b"\xef\xbb\xbf", message("").as_bytes()].concat();
    assert_eq!(read_all(&marked).unwrap().1.len(), 1);
}
