//! `$GENERATE start-stop[/step] owner [TTL] [class] type data`, as BIND understands it.

/// More lines than this from one directive are a mistake.
const MOST: u32 = 65_536;

/// The words of each line.
pub(super) fn expand(range: &str, words: &[String]) -> Result<Vec<Vec<String>>, String> {
    let wrong = || format!("`{range}` is no range like `1-254` or `0-30/2`");
    let (bounds, step) = range.split_once('/').unwrap_or((range, "1"));
    let (start, stop) = bounds.split_once('-').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u32>().ok();
    let (Some(start), Some(stop), Some(step @ 1..)) = (number(start), number(stop), number(step))
    else {
        return Err(wrong());
    };
    if stop < start {
        return Err(wrong());
    }
    if (stop - start) / step >= MOST {
        return Err(format!("`{range}` makes more than {MOST} records"));
    }
    let step = usize::try_from(step).unwrap_or(1);
    let line = |number: u32| {
        let words = words.iter().map(|word| substitute(word, i64::from(number)));
        words.collect::<Option<Vec<_>>>()
    };
    let lines = (start..=stop).step_by(step).map(line);
    lines
        .collect::<Option<_>>()
        .ok_or_else(|| "a `${offset,width,base}` is not understood".to_owned())
}

/// `$` is the number, `${offset,width,base}` the number so written, `$$` and `\$` a dollar.
fn substitute(word: &str, number: i64) -> Option<String> {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        if let Some(plain) = before.strip_suffix('\\') {
            out.push_str(plain);
            out.push('$');
            rest = after;
            continue;
        }
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(form) = after.strip_prefix('{') {
            let (form, after) = form.split_once('}')?;
            out.push_str(&written(form, number)?);
            rest = after;
        } else {
            out.push_str(&number.to_string());
            rest = after;
        }
    }
    out.push_str(rest);
    Some(out)
}

fn written(form: &str, number: i64) -> Option<String> {
    let mut parts = form.split(',');
    let number = number.checked_add(parts.next()?.parse().ok()?)?;
    let width: usize = parts.next().map_or(Some(0), |width| width.parse().ok())?;
    let base = parts.next().unwrap_or("d");
    if parts.next().is_some() || width > 255 || number < 0 {
        return None;
    }
    let nibbles = |digits: String| {
        let digits: Vec<String> = digits.chars().rev().map(String::from).collect();
        let dotted = digits.join(".");
        let missing = width.saturating_sub(dotted.len()).div_ceil(2);
        dotted + &".0".repeat(missing)
    };
    Some(match base {
        "d" => format!("{number:0width$}"),
        "o" => format!("{number:0width$o}"),
        "x" => format!("{number:0width$x}"),
        "X" => format!("{number:0width$X}"),
        "n" => nibbles(format!("{number:x}")),
        "N" => nibbles(format!("{number:X}")),
        _ => return None,
    })
}
