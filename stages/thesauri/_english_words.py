"""English words that say what part of speech the next one is, and words that are better not replaced."""

_GRAMMAR = """
    a about above after again against ago all almost alone along already also although always am among an and
    another answer answered any anybody anyone anything anyway are around as ask asked asking asks at away back
    be became because become been before behind being below beside besides between beyond billion both but by
    can cannot certain come could course dad did do does doing done down dozen due during each eight eighteen
    eighteenth eighth eighty eleven else enough even ever every everybody everyone everything few fifteen fifth
    fifty first five for forty four fourteen fourth from further get gets getting give go goes going gone got
    had half has have having he hence her here hers herself him himself his how however hundred i if in indeed
    inside instead into is it its itself just keep last least less let like look lot many matter may maybe me
    mean might million mine minus more most much must my myself near need next nine nineteen ninety nobody none
    nor not nothing now of off often okay on once one ones only onto or other others our ours ourselves out
    outside over own part people per perhaps person place please plus pretty put quite rather said same say
    saying says second seem seven seventeen seventy shall she should since six sixteen sixty so some somebody
    someone something somewhere soon still such sure take ten than that the their theirs them themselves then
    there therefore these they thing things third thirteen thirty this those though thousand three through thus
    till time to together too toward towards twelve twenty twice two under until up upon us very via want was
    way we well were what whatever when where whether which while who whole whom whose why will with within
    without would yes yet you your yours yourself zero
"""

# Words whose usual meaning is not the one that WordNet's tagged texts have most often, or whose synonym there stands
# in other sentences: they were found by reading what was replaced in 1,200 reviews.
_MISLEADING = """
    bask bleeding chemist closing complaint complaints concern cross degree degrees deserve deserved deserves
    die died dies ended ends enormous extra faith fault faults fine flat foliage guide idea ideas job jobs level
    levels lid lids little loafers manager managers numbered panic peculiarly plain print printed prints product
    products prompt protector reach reached reaches reaching scrap shambles shuffle single sleep sleeps spare
    speak speaks spoke steering tremendous use uses
"""

_DETERMINERS = "a an the my your his its our their every each some any no"
_BEFORE_BASE_VERBS = """
    will would can could should must may might shall do does did don't doesn't didn't can't couldn't won't wouldn't
    shouldn't
"""
_SUBJECTS = "i you he she it we they who"
_FORMS_OF_BE = "am is are was were be been being"
_DEGREES = "very so too really quite extremely rather pretty fairly more most less as"
_PARTICLES = """
    about across along apart around aside away back by down for forward in into off on out over through to together
    under up upon with
"""

LEFT_ALONE = frozenset((_GRAMMAR + _MISLEADING).split())
PARTICLES = frozenset(_PARTICLES.split())
BEFORE_BASE_VERBS = frozenset(_BEFORE_BASE_VERBS.split())

# words before: the parts of speech that may follow
PARTS_AFTER = (
    (frozenset(_DETERMINERS.split()), ("noun", "adj")),
    (BEFORE_BASE_VERBS, ("verb", "adv")),
    (frozenset(_SUBJECTS.split()), ("verb", "adv")),
    (frozenset(_FORMS_OF_BE.split()), ("adj", "adv", "verb")),
    (frozenset(_DEGREES.split()), ("adj", "adv")),
)
