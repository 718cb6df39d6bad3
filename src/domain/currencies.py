"""Currencies: the codes of ISO 4217 and their numbers of decimals."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from domain.errors import InvalidValue

# ISO 4217, list one, by minor unit. Codes without a minor unit are left out, because no price can
# be in them: metals, test codes, units of account.
_CODES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: """
        AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
        CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL
        GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR
        LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD
        PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
        SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW
        ZWG
    """,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {code: digits for digits, codes in _CODES.items() for code in codes.split()}

MAX_DIGITS = max(_CODES)
"""The largest number of decimals of any currency."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency; its amounts have exactly `digits` decimals."""

    code: str
    digits: int

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, code: str) -> "Currency":
        """Return the currency with an ISO 4217 code.

        Raises:
            InvalidValue: when there is no such code, or it has no minor unit.
        """
        if code not in _DIGITS:
            raise InvalidValue("Give a code of ISO 4217, such as EUR.")
        return cls(code, _DIGITS[code])

    @property
    def step(self) -> Decimal:
        """The smallest positive amount."""
        return Decimal(1).scaleb(-self.digits)

    @property
    def example(self) -> Decimal:
        """An example amount in this currency, for forms and documentation."""
        return self.amount(Decimal("12.5"))

    def amount(self, value: Decimal) -> Decimal:
        """Return the amount with exactly the currency's decimals, rounded half up."""
        return value.quantize(self.step, ROUND_HALF_UP)

    def __str__(self) -> str:
        return self.code


DEFAULT = Currency.of("EUR")
"""The currency if none is configured."""
