"""The words with which people say yes and no where nothing but text can be typed."""

from __future__ import annotations

import re

_YES = {
    "en": "yes|y|yeah|yep|yup|ok|okay|sure|of course|please do|do it|go|go ahead|approve|approved|allow|accept|agreed"
    "|confirm|confirmed|true|1",
    "de": "ja|j|jo|jawohl|klar|gerne|sicher|natürlich|einverstanden|in ordnung|mach das|genehmigt|genehmigen|erlauben",
    "fr": "oui|o|ouais|d'accord|bien sûr|vas-y|allez-y|j'accepte|accepter|approuver|approuvé|confirmer",
    "es": "sí|si|s|vale|claro|de acuerdo|por supuesto|adelante|aprobar|aprobado|aceptar|acepto|confirmar",
    "it": "sì|si|s|certo|va bene|d'accordo|procedi|approva|approvato|accetto|conferma",
    "pt": "sim|s|claro|está bem|de acordo|pode|aprovar|aprovado|aceito|confirmar",
    "nl": "ja|j|jazeker|goed|akkoord|natuurlijk|prima|goedkeuren|goedgekeurd|toestaan",
    "pl": "tak|t|jasne|oczywiście|zgoda|dobrze|zatwierdź|potwierdzam",
    "sv": "ja|j|japp|visst|absolut|godkänn|godkänd",
    "ja": "はい|うん|ええ|承認|了解",
    "zh": "是|是的|好|好的|同意|批准|可以",
}
_NO = {
    "en": "no|n|nope|nah|never|not|don't|do not|please don't|stop|cancel|reject|rejected|deny|denied|decline|refuse"
    "|false|0",
    "de": "nein|n|nö|nee|nicht|auf keinen fall|bitte nicht|lieber nicht|abbrechen|stopp|ablehnen|abgelehnt",
    "fr": "non|n|pas du tout|jamais|surtout pas|annuler|refuser|refusé|je refuse|rejeter",
    "es": "no|n|nunca|para nada|cancelar|rechazar|rechazado|denegar",
    "it": "no|n|mai|assolutamente no|annulla|rifiuta|rifiutato|nega",
    "pt": "não|nao|n|nunca|de jeito nenhum|cancelar|recusar|recusado|rejeitar",
    "nl": "nee|n|neen|nooit|liever niet|annuleren|weigeren|afgewezen|afwijzen",
    "pl": "nie|n|nigdy|anuluj|odrzuć|odmawiam",
    "sv": "nej|n|nix|aldrig|avbryt|neka|avslå",
    "ja": "いいえ|いや|拒否|だめ|キャンセル",
    "zh": "不|不是|不行|不要|拒绝|取消",
}


_POLITE = re.compile(r"\b(please|thanks|thank you|bitte|danke|gerne|s'il (vous|te) plaît|merci|por favor|per favore)\b")


def yes_or_no(text: str, *languages: str) -> bool | None:
    """Whether `text` means yes, in the first of these languages that knows it, at last in English ("Yes, please!").

    None for neither, and for both.
    """
    said = text.casefold().replace("’", "'")
    for code in (*(language.split("-")[0].lower() for language in languages), "en"):
        verdicts = {_verdict(part, code) for part in _parts(_POLITE.sub(",", said)) or _parts(said)}
        if verdicts in ({True}, {False}):
            return verdicts.pop()
    return None


def _parts(said: str) -> list[str]:
    return [" ".join(part.split()) for part in re.split("[,.;!。！、]", said) if part.strip()]


def _verdict(part: str, code: str) -> bool | None:
    if part in _YES.get(code, "").split("|"):
        return True
    return False if part in _NO.get(code, "").split("|") else None
