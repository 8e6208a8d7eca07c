# The short page with status 503, the page with 404, and the feed.

notice-title = This page is not available at the moment
notice-text = The servers of { $name } do not answer at present, or cannot be asked just now. No copy of this page is at hand here just now. This does not mean that the page no longer exists.
notice-later = Please try again in a few minutes.
notice-link = To the present situation at { $name }
notice-standing = { $service }: { $word }
notice-short = This page is not available at the moment; please try again later.
missing-title = There is no such page here
missing-text = Nothing stands at this address. The overview shows the present situation.
missing-link = To the overview
feed-title = { $name }: measurements and statements
feed-began = Measured: { $service } disturbed since { $since }
feed-ended = Measured: { $service } in order again since { $when }
feed-ended-text = The disturbance began on { $began } and ended on { $ended }.
feed-said = { $name } states: { $start }
feed-updated = Last added to: { $when }.
