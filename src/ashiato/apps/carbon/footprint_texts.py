"""What a person is told about footprints, in English and Japanese."""

from collections.abc import Mapping

ENGLISH: Mapping[str, str] = {
    "exposed": "Before you offer this: somebody who knows all inputs and their figures could tell the quantities of {inputs} "
    "from the versions of the last three years, with a median error below {limit} %. Declare less often, or put inputs together.",
    "add_once": "Put exactly one of these into the sum of the next level, times how many of it go in.",
    "never_add": "These measure one and the same footprint; never add them to one another.",
    "same_basis_only": "Add it only to figures that share recycling by the same rule; else credits count twice.",
    "same_gwp_set_only": "Add it only to figures on the same global warming potentials.",
    "use_is_outside": "The use stage is not in it; charging and losses in use belong to the next level.",
    "credits_are_inside": "The end of life is in it, with its credits; do not give credits for this product again.",
    "uptake_is_apart": "The total with biogenic uptake is told beside it and is no part of it.",
    "does_not_hold": "The declaration does not hold now, or rests on one that does not; ask for a new one.",
    "1": "Purchased goods and services",
    "2": "Capital goods",
    "3": "Fuel- and energy-related activities",
    "4": "Upstream transportation and distribution",
    "5": "Waste generated in operations",
    "6": "Business travel",
    "7": "Employee commuting",
    "12": "End-of-life treatment of sold products",
    "unnamed": "Not assigned to a category",
}
JAPANESE: Mapping[str, str] = {
    "exposed": "提供の前に確認してください。全ての投入物とその原単位を知る者は、過去3年間の版から {inputs} の数量を"
    "中央値 {limit} % 未満の誤差で推定できます。開示の頻度を下げるか、投入物をまとめてください。",
    "add_once": "次の段階の合計には、このうち一つだけを、使用数量を掛けて加えてください。",
    "never_add": "これらは同じフットプリントを別の尺度で表したものです。互いに加算しないでください。",
    "same_basis_only": "リサイクルの配分規則が同じ値とだけ加算できます。異なると控除が二重に計上されます。",
    "same_gwp_set_only": "同じ地球温暖化係数による値とだけ加算できます。",
    "use_is_outside": "使用段階は含まれません。充電と使用時の損失は次の段階で計上してください。",
    "credits_are_inside": "使用済み段階とその控除は含まれています。この製品の控除を再び計上しないでください。",
    "uptake_is_apart": "生物起源の吸収を含む合計は別記であり、内数ではありません。",
    "does_not_hold": "この宣言は現在有効でないか、有効でない宣言に基づいています。新しい宣言を求めてください。",
    "1": "購入した製品・サービス",
    "2": "資本財",
    "3": "燃料及びエネルギー関連活動",
    "4": "輸送、配送（上流）",
    "5": "事業から出る廃棄物",
    "6": "出張",
    "7": "雇用者の通勤",
    "12": "販売した製品の廃棄",
    "unnamed": "区分未定",
}


def say(code: str, language: str, **fields: str) -> str:
    """The sentence in `ja` or `en`; a code without one stands for itself."""
    text = (JAPANESE if language == "ja" else ENGLISH).get(code, code)
    return text.format_map(fields) if fields else text
