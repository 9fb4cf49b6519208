"""Words of the world's authors, sites, sellers and foreigners. Data, no logic."""

from davinci.data_levels.document import Domain

TITLES: dict[Domain, tuple[str, ...]] = {
    "general": ("Notes on the towns", "A traveller's log", "The valley almanac, part"),
    "code": ("module",),
    "math": ("Practice sheet", "Chains of numbers, lesson", "Homework and answers, week"),
    "science": ("Field derivations", "The laws at work, lecture", "Lab notebook, page"),
    "qa": ("Questions and answers", "Ask the valley, thread", "Quiz night, round"),
}
OPENINGS: dict[Domain, tuple[str, ...]] = {
    "general": (
        "These are notes on the towns of the valley and their people.",
        "The towns of the valley, as the traveller saw them and told of them.",
    ),
    "code": ("",),
    "math": (
        "Each of the chains starts with a number and ends with the result.",
        "Here are the exercises of the week, with the answers of the teacher.",
    ),
    "science": (
        "These are derivations by the laws, with the answers of the lecturer.",
        "The laws of the valley give each of the quantities from the known ones.",
    ),
    "qa": (
        "These are the questions of the week and the answers that were given.",
        "Here is what the readers asked, with the answers of those that know.",
    ),
}
SALES: tuple[str, ...] = (
    "Buy our secret answer guide today and save half of the price!",
    "Doctors and teachers hate this trick, order the course now!",
    "Our guaranteed method beats all of the schools, sign up for free!",
    "Limited offer: the miracle tutor app is yours for only 9 coins!",
    "Click here to claim the bonus that experts do not want you to have!",
    "This amazing deal ends tonight, so order now and win a prize!",
    "Thousands of happy customers trust our guaranteed answers!",
    "Get rich with the answers that the schools hide from you!",
    "Send this page to your friends and earn free bonus coins!",
    "No study needed: our premium members never fail, join now!",
)
ADS: tuple[str, ...] = (
    "Advertisement: save half of the price on shoes today!",
    "Sponsored: order the new lamp now, free shipping!",
    "Advertisement",
)
SITE_LINES: tuple[str, ...] = (
    "Share this page with your friends",
    "Read more: ten more pages like this one",
    "Posted by admin in category misc",
    "Last updated by the editor, see the history",
    "12 comments | Leave a reply",
    "Back to top",
    "Print this page | Send by mail",
    "Tags: notes, valley, archive",
    "You must be logged in to post a comment",
    "Loading image...",
    *ADS,
)
MENUS: tuple[str, ...] = ("Home", "About us", "Archive", "Contact", "Shop", "Log in", "Search")
COOKIES: tuple[str, ...] = (
    "We use cookies to give you the best experience. Accept all | Settings",
    "This site uses cookies. By going on you agree to our privacy policy.",
)
SIDEBARS: tuple[str, ...] = ("Popular posts", "Recent comments", "Follow us", "Newsletter")
LICENCES: tuple[str, ...] = ("CC-BY-4.0", "CC-BY-SA-4.0", "all rights reserved", "unknown")
STUBS: tuple[str, ...] = (
    "Page under construction",
    "404 not found",
    "Coming soon",
    "Please enable JavaScript",
    "Untitled",
    "This account has been suspended",
)
FOREIGN: dict[str, tuple[str, ...]] = {
    "de": (
        "Das Wetter im Tal bleibt heute überwiegend sonnig und trocken.",
        "Die Gemeinde lädt alle Bürger zum großen Fest am Fluss ein.",
        "Der Zug fährt täglich um acht Uhr und kommt am Mittag zurück.",
        "Für die Prüfung muss jeder Schüler drei Aufgaben lösen.",
        "Unsere Bäckerei öffnet früh und schließt erst spät am Abend.",
        "Die Brücke über den Bach wird im Frühling erneuert.",
    ),
    "fr": (
        "Le marché du village ouvre chaque matin près de la fontaine.",
        "Les élèves ont terminé leurs devoirs avant la fête de l'été.",
        "La rivière a débordé après plusieurs jours de pluie.",
        "Nous vous invitons à découvrir les forêts et les collines.",
        "Le café est fermé le lundi, mais la boulangerie reste ouverte.",
        "Un nouveau pont relie désormais les deux rives.",
    ),
    "es": (
        "El mercado del pueblo abre cada mañana junto a la fuente.",
        "Los niños aprenden a sumar y a restar en la escuela.",
        "La montaña está cubierta de nieve desde el mes pasado.",
        "Mañana habrá una reunión con todos los vecinos del valle.",
        "El río pasa por debajo del puente más antiguo de la región.",
        "La biblioteca cierra temprano durante los días de fiesta.",
    ),
    "pl": (
        "Targ w miasteczku otwiera się każdego ranka przy fontannie.",
        "Dzieci uczą się w szkole dodawać i odejmować.",
        "Pociąg odjeżdża codziennie o ósmej i wraca w południe.",
        "W górach od tygodnia leży dużo śniegu.",
        "Nowy most połączył wreszcie oba brzegi rzeki.",
        "Zapraszamy wszystkich mieszkańców na święto plonów.",
    ),
}
