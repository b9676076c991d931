//! What providers must not share: cookies and paths, by which the gateway tells them apart.

use gwanmun_proxy::Ground;

use super::Built;

/// Whether each provider's cookies and paths are its own; mistakes go to `ground`.
pub(super) fn are_distinct(built: &[Built], ground: &mut Ground<'_>) -> bool {
    are_cookies_distinct(built, ground) & are_paths_distinct(built, ground)
}

fn are_cookies_distinct(built: &[Built], ground: &mut Ground<'_>) -> bool {
    let mut is_good = true;
    for (place, one) in built.iter().enumerate() {
        for other in built.iter().take(place) {
            let (one_cookie, other_cookie) = (&one.entrance.cookies, &other.entrance.cookies);
            if one_cookie.meet(other_cookie) || other_cookie.meet(one_cookie) {
                let message = format!(
                    "the cookies '{}' of '{}' and '{}' of '{}' cannot be told apart",
                    one_cookie.name(),
                    one.entrance.name(),
                    other_cookie.name(),
                    other.entrance.name()
                );
                ground.refuse_with_hint(one.cookie, message, format!("cookie: {}", one.entrance.name()));
                is_good = false;
            }
        }
    }
    is_good
}

fn are_paths_distinct(built: &[Built], ground: &mut Ground<'_>) -> bool {
    let mut is_good = true;
    let mut seen: Vec<&str> = Vec::new();
    for (path, span) in built.iter().flat_map(|built| &built.paths) {
        if seen.contains(&path.as_str()) {
            let hint = "each provider has paths of its own: paths: {callback: …, logout: …, backchannel: …}";
            ground.refuse_with_hint(*span, format!("the path '{path}' stands here twice"), hint);
            is_good = false;
        }
        seen.push(path);
    }
    is_good
}
