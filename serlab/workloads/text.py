"""Seeded text that looks like language: English with Zipf-weighted words, Chinese by characters.

Synthetic text compresses otherwise than real text (its words recur as a vocabulary's weights say, not as a subject
does), so compressed sizes on the built-in workloads are indications; your own traffic gives the figure.
"""

from bisect import bisect
from functools import cache
from itertools import accumulate
from random import Random

WORDS = """the of and to a in is it you that he was for on are with as his they be at one have this from or had by hot
but some what there we can out other were all your when up use word how said an each she which do their time if will
way about many then them would write like so these her long make thing see him two has look more day could go come did
my sound no most number who over know water than call first people may down side been now find any new work part take
get place made live where after back little only round man year came show every good me give our under name very
through just form much great think say help low line before turn cause same mean differ move right boy old too does
tell sentence set three want air well also play small end put home read hand port large spell add even land here must
big high such follow act why ask men change went light kind off need house picture try us again animal point mother
world near build self earth father head stand own page should country found answer school grow study still learn plant
cover food sun four thought let keep eye never last door between city tree cross since hard start might story saw far
sea draw left late run while press close night real life few stop open seem together next white children begin got walk
example ease paper often always music those both mark book letter until mile river car feet care second group carry
took rain eat room friend began idea fish mountain north once base hear horse cut sure watch color face wood main enough
plain girl usual young ready above ever red list though feel talk bird soon body dog family direct pose leave song
measure state product black short numeral class wind question happen complete ship area half rock order fire south
problem piece told knew pass farm top whole king size heard best hour better true during hundred remember step early
hold west ground interest reach fast five sing listen six table travel less morning ten simple several vowel toward war
lay against pattern slow center love person money serve appear road map science rule govern pull cold notice voice fall
power town fine certain fly unit lead cry dark machine note wait plan figure star box noun field rest correct able pound
done beauty drive stood contain front teach week final gave green quick develop sleep warm free minute strong special
mind behind clear tail produce fact street inch lot nothing course stay wheel full force blue object decide surface deep
moon island foot yet busy test record boat common gold possible plane age dry wonder laugh thousand ago ran check game
shape yes cool miss brought heat snow bed bring sit perhaps fill east weight language among request response token model
server latency cache index vector schema buffer message stream client budget invoice customer account policy deploy
region cluster memory thread error retry timeout payload version field format column report summary review meeting
""".split()  # noqa: SIM905, a list of strings would take one line a word
CHINESE = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成"
    "方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工"
    "使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表"
    "化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结"
)
MARKS = "，。，、；，。，"


@cache
def weights(size: int) -> tuple[float, ...]:
    """Sum up Zipf's weights, 1 / rank, for a vocabulary."""
    return tuple(accumulate(1.0 / (rank + 2.7) for rank in range(size)))


def word(random: Random) -> str:
    """Draw a word."""
    sums = weights(len(WORDS))
    return WORDS[bisect(sums, random.random() * sums[-1])]


def sentence(random: Random) -> str:
    """Write a sentence of 5 to 20 words."""
    words = [word(random) for _ in range(5 + int(random.random() * 16))]
    if len(words) > 11:
        words[len(words) // 2] += ","
    text = " ".join(words)
    return text[0].upper() + text[1:] + "."


def english(random: Random, length: int) -> str:
    """Write about `length` characters: paragraphs, now and then a list or a line of code."""
    parts: list[str] = []
    size = 0
    while size < length:
        part = sentence(random)
        part += "\n\n" if random.random() < 0.12 else " "
        if random.random() < 0.06:
            part += (
                f"- **{word(random)}**: {word(random)} `{word(random)}_{word(random)}({int(random.random() * 1000)})`\n"
            )
        parts.append(part)
        size += len(part)
    return "".join(parts)[:length]


def chinese(random: Random, length: int) -> str:
    """Write `length` characters of Chinese."""
    sums = weights(len(CHINESE))
    characters: list[str] = []
    while len(characters) < length:
        characters += (CHINESE[bisect(sums, random.random() * sums[-1])] for _ in range(4 + int(random.random() * 12)))
        characters.append(MARKS[int(random.random() * len(MARKS))])
    return "".join(characters[:length])


def identifier(random: Random, prefix: str, length: int = 24) -> str:
    """Make an id as APIs do: a prefix and random letters and digits."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return prefix + "".join(alphabet[int(random.random() * 62)] for _ in range(length))
