# Was gemessen wurde. Jeder Satz entsteht aus einem Befund der Messung, nie aus einer Angabe.

from = { $voting ->
        [0] derzeit misst kein Ort
        [1] gemessen von { $seen } von 1 Ort aus
       *[other] gemessen von { $seen } von { $voting } Orten aus
    }
measured-good-web = { $subject } antwortet, wie sie soll; { $from }.
measured-good-names = Der Namensdienst antwortet, wie er soll; { $from }.
measured-good-mail = Der E-Mail-Dienst antwortet, wie er soll; { $from }.
measured-good-chat = Der Chat antwortet, wie er soll; { $from }.
measured-suspect = { $subject } hat zuletzt nicht geantwortet, wie es sein soll ({ $since }); das wird gerade nachgemessen.
measured-below-quorum = Manche Orte erreichen { $object } seit dem { $since } nicht, andere schon; { $from }.
measured-blind = Unsere Messorte haben seit dem { $since } selbst keine Verbindung; wir können derzeit nicht beurteilen, ob { $subject } erreichbar ist.
measured-not-measured = Seit dem { $since } wurde nicht gemessen, ob { $subject } erreichbar ist.
measured-nothing = Über { $object } liegt noch keine Messung vor.
measured-application = { $subject } antwortet seit dem { $since }, aber { $code ->
        [0] nicht, wie es sein soll
       *[other] mit einem Fehler ({ $code })
    }; { $from }.
measured-block = { $subject } ist seit dem { $since } aus manchen Netzen oder Ländern erreichbar und aus anderen nicht; { $from }.
measured-denied = { $subject } antwortet seit dem { $since } mit { $code ->
        [0] „Zugriff verweigert“
        [402] „Zahlung erforderlich“ (402)
        [410] „nicht mehr vorhanden“ (410)
       *[other] „Zugriff verweigert“ ({ $code })
    }; { $from }.
measured-dns-data = Die Namensserver geben seit dem { $since } falsche Antworten; { $from }.
measured-dns-delegation = Seit dem { $since } sind in der übergeordneten Zone andere Namensserver eingetragen als zuvor; { $from }.
measured-dns-server = Die Namensserver antworten seit dem { $since } nicht; { $from }.
measured-foreign-certificate = { $subject } weist sich seit dem { $since } mit einem anderen Schlüssel aus als zuvor; { $from }.
measured-holding-page = Unter dem Namen { $of } erscheint seit dem { $since } eine andere Seite als sonst; { $from }.
measured-host = Ein Router meldet die Maschine { $of } seit dem { $since } als nicht erreichbar, während ihre Nachbarn antworten; { $from }.
measured-network = Die Adresse { $of }, Nachbarn und Router davor schweigen seit dem { $since }; { $from }.
measured-overload = { $subject } weist Anfragen seit dem { $since } vorläufig ab{ $code ->
        [0] {""}
       *[other] {" "}({ $code })
    }; { $from }.
measured-path = { $subject } ist seit dem { $since } von manchen Orten erreichbar und von anderen nicht; { $from }.
measured-service = Die Adresse antwortet, { $subject } dort seit dem { $since } nicht; { $from }.
measured-silent = Die Adresse { $of } antwortet seit dem { $since } nicht; { $from }.
measured-tls = Eine gesicherte Verbindung (TLS) zu { $dative } kommt seit dem { $since } nicht zustande; { $from }.
measured-alone = { $subject } hat seit dem { $since } nicht geantwortet, wie es sein soll; nur ein Ort misst das, und allein urteilt er nicht.
measured-dns-server-wrong = Die Namensserver antworten seit dem { $since }, aber nicht, wie es sein soll; { $from }.
measured-foreign-name = { $subject } weist sich seit dem { $since } mit einem Zertifikat für einen anderen Namen aus; { $from }.
measured-tls-certificate = { $subject } weist sich seit dem { $since } mit einem Zertifikat aus, das nicht als gültig zu bestätigen ist; { $from }.
measured-unknown = { $subject } ist seit dem { $since } nicht erreichbar, wie es sein soll; { $from }.
measured-unstable = { $subject } fällt seit dem { $since } immer wieder aus und antwortet wieder; { $from }.
object-chat = den Chat
object-mail = den E-Mail-Dienst
object-names = den Namensdienst
object-web = die Website
dative-chat = dem Chat
dative-mail = dem E-Mail-Dienst
dative-names = dem Namensdienst
dative-web = der Website
measured-last-good = Letzte gute Antwort: { $when }.
reason-unknown = Der Grund ist nicht bekannt.
reason-said = Die Messung zeigt den Grund nicht. { $name } nennt ihn in den eigenen Angaben.
