# Die kurze Seite mit dem Status 503, die Seite mit 404, und der Feed.

notice-title = Diese Seite ist gerade nicht verfügbar
notice-text = Die eigenen Server von { $name } antworten derzeit nicht, oder sie können gerade nicht gefragt werden. Eine Kopie dieser Seite liegt hier gerade nicht bereit. Das heißt nicht, dass es die Seite nicht mehr gibt.
notice-later = Bitte versuchen Sie es in einigen Minuten noch einmal.
notice-link = Zum aktuellen Stand bei { $name }
notice-standing = { $service }: { $word }
notice-short = Diese Seite ist gerade nicht verfügbar; bitte versuchen Sie es später noch einmal.
missing-title = Diese Seite gibt es hier nicht
missing-text = Unter dieser Adresse steht nichts. Den aktuellen Stand finden Sie auf der Übersicht.
missing-link = Zur Übersicht
feed-title = { $name }: Messungen und Angaben
feed-began = Gemessen: { $service } gestört seit dem { $since }
feed-ended = Gemessen: { $service } wieder in Ordnung seit dem { $when }
feed-ended-text = Die Störung begann am { $began } und endete am { $ended }.
feed-said = { $name } gibt an: { $start }
feed-updated = Zuletzt ergänzt: { $when }.
