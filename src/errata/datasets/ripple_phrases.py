"""The words in which RippleEdits' sentences state a relation; `{}` stands for the subject, the object comes behind.

Source: the benchmark's own relations (Cohen et al. 2023, MIT); its files hold sentences made of them, and no subject or
object apart.
"""

from __future__ import annotations

_NAMED = {
    "MOTHER": "mother of {}",
    "FATHER": "father of {}",
    "BROTHER": "brother of {}",
    "SISTER": "sister of {}",
    "SPOUSE": "spouse of {}",
    "UNCLE": "uncle of {}",
    "AUNT": "aunt of {}",
    "CHILD": "child of {}",
    "STEPFATHER": "stepfather of {}",
    "STEPMOTHER": "stepmother of {}",
    "COUNTRY": "country which {} is associated with",
    "COUNTRY_OF_CITIZENSHIP": "country of citizenship of {}",
    "POSITION_HELD": "position held by {}",
    "MEMBER_OF_SPORTS_TEAM": "sports team which {} is a member of",
    "ALMA_MATER": "alma mater of {}",
    "EMPLOYER": "employer of {}",
    "LEAGUE": "league which {} plays in",
    "FIELD_OF_WORK": "field of work of {}",
    "AWARD_RECEIVED": "award {} won",
    "ETHNIC_GROUP": "ethnic group which {} is associated with",
    "RELIGION": "religion which {} is associated with",
    "HEAD_OF_GOVERNMENT": "head of government of {}",
    "HEAD_OF_STATE": "head of state of {}",
    "CONTINENT": "continent which {} is part of",
    "CAPITAL": "capital city of {}",
    "CURRENCY": "currency in {}",
    "ANTHEM": "anthem of {}",
    "LIKELY_ANTHEM": "anthem that is most likely to be performed in {}",
    "CAPITAL_OF": "country which {} is the capital of",
    "AUTHOR": "author of {}",
    "EDITOR": "editor of {}",
    "DIRECTOR": "director of {}",
    "SCREENWRITER": "screenwriter of {}",
    "ARCHITECT": "architect of {}",
    "COMPOSER": "composer of {}",
    "FOUNDER": "founder of {}",
}

PHRASES = {
    **{relation: f"The name of the {words} is" for relation, words in _NAMED.items()},
    "SIBLING": "The names of the siblings of {} are",
    "CAST_MEMBER": "The names of the cast members of {} are",
    "NUMBER_OF_CHILDREN": "The number of children {} has is",
    "SEX_OR_GENDER": "The gender of {} is",
    "PLACE_OF_BIRTH": "The place of birth of {} is",
    "PLACE_OF_DEATH": "The place of death of {} is",
    "PLACE_OF_BURIAL": "The place of burial of {} is",
    "SEXUAL_ORIENTATION": "The sexual orientation of {} is",
    "OCCUPATION": "The occupation of {} is",
    "NATIVE_LANGUAGE": "The mother tongue of {} is",
    "EYE_COLOR": "The eye color of {} is",
    "DATE_OF_BIRTH": "The date of birth of {} is",
    "DATE_OF_DEATH": "The date of death of {} is",
    "OFFICIAL_LANGUAGE": "The official language of {} is",
    "FOLLOWS": "{} follows",
    "FOLLOWED_BY": "{} is followed by",
    "IS_ALIVE": "Is {} still alive?",
}
